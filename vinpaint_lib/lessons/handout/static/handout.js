// What is wider than the window scrolls by itself; the keyboard must reach it too.
function reach() {
  for (const part of document.querySelectorAll("div.math, mjx-container[display=true]")) {
    if (part.scrollWidth > part.clientWidth) {
      part.tabIndex = 0;
    } else {
      part.removeAttribute("tabindex");
    }
  }
}

window.addEventListener("load", () => {
  const drawn = window.MathJax?.startup?.promise ?? Promise.resolve();
  drawn.then(reach);
});
window.addEventListener("resize", reach);

"""A submission without some of its cells is mended before it is graded; nbgrader loads this by nbgrader_config.py."""

from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import OverwriteCells

from vinpaint_lib.lessons.course.marks import IMPORTS


class RestoreCells(OverwriteCells):
    """nbgrader's own preprocessor, and after it the cells that were deleted: the imports, and what gives points.

    nbgrader adds such cells too, if it is told so, but stops with a KeyError where the cell before is missing as well.
    It also stops at a submission in which a cell stands twice; here the first of the two becomes a cell of no name.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        for cell in nb.cells:
            if (
                cell.metadata.get("nbgrader") == {}
            ):  # what nbgrader leaves of a doubled cell, and then takes for too old
                del cell.metadata["nbgrader"]
        nb, resources = super().preprocess(nb, resources)
        with self.gradebook:
            notebook = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
            points = {cell.name: cell.max_score for cell in notebook.grade_cells}
            written = {cell.name for cell in notebook.solution_cells}
            names = [cell.name for cell in notebook.source_cells]
            for place, cell in enumerate(notebook.source_cells):
                there = {named(each): number for number, each in enumerate(nb.cells)}
                if cell.name in there or not (cell.name == IMPORTS or cell.name in points):
                    continue
                before = [there[name] for name in names[:place] if name in there]
                plain = self.missing_cell_transform(cell, points.get(cell.name, 0), is_solution=cell.name in written)
                added = nbformat.from_dict({**plain, "id": f"restored-{cell.name}"})
                added.metadata.nbgrader.grade = cell.name in points
                nb.cells.insert(max(before, default=-1) + 1, added)
        return nb, resources


def named(cell: NotebookNode) -> str:
    """The name that nbgrader gives a cell; "" for others."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))

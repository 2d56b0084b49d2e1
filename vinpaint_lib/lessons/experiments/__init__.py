"""Small computations of single notebooks: a module has the experiment of one lesson."""

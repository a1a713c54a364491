"""Pictures of runs: the learned network, its free and clamped states, the error, the set-up.

pyvista draws the networks; titles, colour bars and labels are set around its picture, where they
cover nothing. Neither pyvista nor matplotlib is imported before something is drawn.
"""

from mechlearn.extensions import callable_module
from mechlearn.render.pictures import draw_setup, picture, render
from mechlearn.render.window import plotter, show

__all__ = ["draw_setup", "picture", "plotter", "render", "show"]

callable_module(__name__, render)

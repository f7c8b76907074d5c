"""Shapes of floor 1 are checked while tests run: jaxtyping's annotations, enforced by beartype."""

from jaxtyping import install_import_hook

install_import_hook("mi_ray.compute", "beartype.beartype")

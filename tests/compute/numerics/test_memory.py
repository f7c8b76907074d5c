"""What a process keeps out of garbage collection, and what it does not."""

import gc
import weakref

from mi_ray.compute.numerics.memory import keep_what_is_loaded


class Circle:
    def __init__(self):
        self.itself = self


def test_what_is_loaded_is_left_out_of_collections_and_what_comes_later_is_not():
    keep_what_is_loaded.cache_clear()
    keep_what_is_loaded()
    kept = gc.get_freeze_count()
    assert kept > 10_000
    circle = weakref.ref(Circle())
    keep_what_is_loaded()
    assert gc.get_freeze_count() == kept
    gc.collect()
    assert circle() is None

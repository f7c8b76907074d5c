"""The online probe: kNN accuracy of every checkpoint of a running training, computed by a process of its own."""

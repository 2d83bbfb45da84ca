"""Random search: what every optimizer has to beat."""

import random

from parameters import Cube

PACKAGES = ()


class RandomSearch:
    """Independent uniform points; numbers uniform on their scale, all choices equally likely."""

    def __init__(self, task):
        self.cube = Cube(task.space)
        self.random = random.Random(task.seed)

    def ask(self, n):
        return [self.cube.decode([self.random.random() for _ in range(self.cube.d)]) for _ in range(n)]

    def tell(self, results):
        pass

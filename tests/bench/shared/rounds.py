"""
Figures that are measured in turn, so that what the machine does meanwhile befalls all alike.

    rounds = Rounds(5)
    for number, case in rounds.each([("ours", 1), ("theirs", 1)]):
        rounds.note(case, cpu_us=…, p50_us=…)
    rounds.median(case, "cpu_us")
    rounds.ratio(case, other, "cpu_us")       the median of the rounds' ratios
    rounds.spread(case, "cpu_us")             (least, most)
    rounds.as_data()                          all of them, for JSON
"""

import statistics
from collections import defaultdict


class Rounds:
    def __init__(self, count):
        self.count = count
        self.figures = defaultdict(lambda: defaultdict(list))  # case, name: one of each round

    def each(self, cases):
        """Every case once a round; rounds begin at different ones, every second goes backwards."""
        for number in range(self.count):
            first = number // 2 % len(cases) if cases else 0
            order = cases[first:] + cases[:first]
            for case in order if number % 2 == 0 else reversed(order):
                yield number, case

    def note(self, case, **figures):
        for name, value in figures.items():
            self.figures[case][name].append(value)

    def median(self, case, name):
        return statistics.median(self.figures[case][name])

    def ratio(self, case, other, name):
        return statistics.median(a / b for a, b in zip(self.figures[case][name],
                                                       self.figures[other][name]))

    def difference(self, case, other, name):
        return statistics.median(a - b for a, b in zip(self.figures[case][name],
                                                       self.figures[other][name]))

    def spread(self, case, name):
        return min(self.figures[case][name]), max(self.figures[case][name])

    def has(self, case):
        return case in self.figures

    def as_data(self):
        return [{"case": list(case) if isinstance(case, tuple) else case, **names}
                for case, names in self.figures.items()]

"""
What the measurements share. Importing it makes tests/support importable, too.

    options   what every measurement can be told on its command line
    rounds    figures measured in turn, their medians and ratios
    report    tables, and on which machine and with which versions they were measured
    plot      SVG by gnuplot
    origin    nginx as origin, HTTP/1.1 and HTTP/2
    place     an origin on loopback or some time away, and who asks it
    peers     fetchpoold and what stands beside it
    load      the programs that send requests
    stage     a directory, an origin, and peers
    build     a release of this tree
    cputime   the processor time of other processes
"""

import pathlib
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[2]))

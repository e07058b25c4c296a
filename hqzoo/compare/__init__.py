"""Fair comparisons: tables of training runs, filled cell by cell, and what their scores support.

A *table* names rows (settings of one recipe), folds and seeds; a *cell* is one of these runs. Names are loaded on first
use: reading a table needs neither scipy nor matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hqzoo._lazy import attach

if TYPE_CHECKING:
    from hqzoo.compare.cell_files import read_cell as read_cell
    from hqzoo.compare.cells import read_cells as read_cells
    from hqzoo.compare.claims import write_claims as write_claims
    from hqzoo.compare.report import write_report as write_report
    from hqzoo.compare.result import Result as Result
    from hqzoo.compare.runner import Runner as Runner
    from hqzoo.compare.samples import read_samples as read_samples
    from hqzoo.compare.statistics import Interval as Interval
    from hqzoo.compare.statistics import hierarchical_bootstrap as hierarchical_bootstrap
    from hqzoo.compare.statistics import paired_interval as paired_interval
    from hqzoo.compare.summary import summarize as summarize
    from hqzoo.compare.table import Table as Table
    from hqzoo.compare.table_file import read_table as read_table
    from hqzoo.compare.unit_runs import UnitRun as UnitRun
    from hqzoo.compare.unit_runs import read_units as read_units
    from hqzoo.compare.unit_runs import units_of_row as units_of_row
    from hqzoo.compare.unit_verdicts import summarize_table as summarize_table
    from hqzoo.compare.units import UnitDifference as UnitDifference
    from hqzoo.compare.units import compare_units as compare_units

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Interval": "statistics",
        "Result": "result",
        "Runner": "runner",
        "Table": "table",
        "UnitDifference": "units",
        "UnitRun": "unit_runs",
        "compare_units": "units",
        "hierarchical_bootstrap": "statistics",
        "paired_interval": "statistics",
        "read_cell": "cell_files",
        "read_cells": "cells",
        "read_samples": "samples",
        "read_table": "table_file",
        "read_units": "unit_runs",
        "summarize": "summary",
        "summarize_table": "unit_verdicts",
        "units_of_row": "unit_runs",
        "write_claims": "claims",
        "write_report": "report",
    },
)

"""Which kinds of database a test runs on: both, unless it says otherwise."""

from __future__ import annotations

import pytest

# what is refused before the database is asked, or known without it
one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

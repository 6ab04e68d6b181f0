"""`python -m dmlviz` is the command line."""

import sys

from dmlviz.cli import main

sys.exit(main())

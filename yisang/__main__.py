"""python -m yisang"""

import sys

from yisang.cli import main

sys.exit(main())

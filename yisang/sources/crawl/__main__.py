"""What `crawl_in_child` starts: `python -m yisang.sources.crawl '{"sites": …, "out": …, "hosts": […], "connect_to": ""}'`.

It ends with the process that started it, also when that one is killed.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from yisang.errors import YisangError
from yisang.processes import die_with_parent
from yisang.sources.crawl.child import TOLD
from yisang.sources.crawl.running import check_out, crawl
from yisang.sources.crawl.sites import read_sites


def main(given: dict[str, Any]) -> int:
    die_with_parent()
    try:
        sites = read_sites(given["sites"], connect_to=given["connect_to"])
        if given["hosts"]:
            sites = msgspec.structs.replace(sites, sites=tuple(sites.site(host) for host in given["hosts"]))
        counts = crawl(
            sites, check_out(given["out"]), say=lambda line: print(f"{TOLD}{line}", file=sys.stderr, flush=True)
        )
    except YisangError as error:
        print(f"yisang: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(dict(counts)))
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))

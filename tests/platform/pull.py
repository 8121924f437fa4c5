"""Pull the results into DuckDB with dlt's REST API source, as a data platform does: `python pull.py ADDRESS CLIENT_ID FOLDER`.

The secret comes by the environment (`CLIENT_SECRET`). Prints, as JSON, how many changes were loaded and what the table holds.
"""

import json
import os
import sys
from typing import Any

import dlt
import duckdb
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_source


def main(address: str, client: str, folder: str) -> None:
    auth = OAuth2ClientCredentials(access_token_url=f"{address}/auth/token", client_id=client, client_secret=os.environ["CLIENT_SECRET"])
    changes = {
        "path": "results/changes",
        "params": {"limit": 2, "since": "{incremental.start_value}"},
        "incremental": {"cursor_path": "position", "initial_value": 0},
        "data_selector": "items",
        "paginator": JSONResponseCursorPaginator("next_since", "since", has_more_path="has_more"),
    }
    resource: Any = {"name": "results", "primary_key": "key", "write_disposition": "merge", "endpoint": changes}
    source = rest_api_source({"client": {"base_url": address, "auth": auth}, "resources": [resource]})
    database = f"{folder}/results.duckdb"
    pipeline = dlt.pipeline("award_results", pipelines_dir=folder, destination=dlt.destinations.duckdb(database), dataset_name="award")
    pipeline.run(source)
    trace: Any = pipeline.last_trace
    loaded = trace.last_normalize_info.row_counts.get("results", 0)
    with duckdb.connect(database, read_only=True) as connection:
        table = connection.execute("select key, result__organisation, kind, position from award.results order by key").fetchall()
    sys.stdout.write(json.dumps({"loaded": loaded, "table": table}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

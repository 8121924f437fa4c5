"""The results of a million awards as files: time beside PostgreSQL's own COPY of the same rows, and memory while they stream."""

from time import perf_counter

import psycopg
from sqlalchemy import Engine

from bench import product
from bench.intake import demand
from bench.rows import Row
from services.workflow.export import FROM, MADE, PLAIN

AWARDS = 1_000_000
GROWTH_ALLOWED = 64 * 1024 * 1024
TIMES = 3
FILL = """
insert into award (id, version, credit_code, organisation, edition, award, title, year, state, prize, earlier, certificate, plaque,
                   document_number, approved_on, published_on)
select uuidv7(), 1, lpad(i::text, 18, '0'), '金东示例制造有限公司第' || i || '号', 'jindong-2022', 'quality',
       '金华市金东区人民政府质量奖（2023年）', 2023, 'published', 500000, '[]', 'JINDONG-2022-2023-' || i, 'JINDONG-2022-2023-P' || i,
       '金东政发〔2023〕18号', '2023-10-12', '2023-10-13'
from generate_series(1, {awards}) i"""
COPY = f"copy (select {', '.join(f'{MADE.get(name, name)} as {name}' for name in PLAIN)} {FROM}) to stdout with (format csv, header)"


def copied(engine: Engine) -> tuple[float, int]:
    """Copy the same rows out of PostgreSQL itself, without a guard, and throw them away."""
    started, size = perf_counter(), 0
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the one driver there is
        with driver.cursor().copy(COPY) as lines:
            for line in lines:
                size += len(line)
    return perf_counter() - started, size


def exported(award: product.Apart, wanted: str) -> tuple[float, int]:
    """Pull a file through the door, and throw it away."""
    client = award.client(scope="results:read", person="platform-bench")
    started, size = perf_counter(), 0
    with client.stream("GET", f"/results.{wanted}", timeout=300) as answer:
        demand(answer.status_code == 200, answer.reason_phrase)  # noqa: PLR2004 - OK
        for chunk in answer.iter_raw():
            size += len(chunk)
    return perf_counter() - started, size


def rows() -> list[Row]:
    """Measure the time of CSV, and the memory of both."""
    found = []
    with product.running() as award:
        engine = award.database("workflow")
        with engine.begin() as connection:
            connection.exec_driver_sql(FILL.format(awards=AWARDS))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum analyze award")
        client = award.client(scope="results:read", person="platform-bench")
        demand(client.get("/results", params={"limit": 1}).is_success, "the results are not there")
        copied(engine)
        reference = size = 0.0
        for wanted in ("csv", "parquet"):
            exported(award, wanted)
            before = award.memory()
            award.forget_peak()
            pairs = [(copied(engine), exported(award, wanted)) for _ in range(TIMES)]
            growth = award.memory("VmHWM") - before
            reference, size = min(one for one, _ in pairs)
            ours, ours_size = min(one for _, one in pairs)
            demand(wanted != "csv" or ours_size == size, f"{ours_size} bytes, not {size}")
            name = f"results export, one million rows, {wanted}"
            if wanted == "csv":
                found.append(Row(f"{name}; COPY TO STDOUT", ours, reference, 0.5))
            found.append(Row(f"memory while it streams: {name}; 64 MiB", max(growth, 1), GROWTH_ALLOWED, 1, "bytes"))
        engine.dispose()
    return found

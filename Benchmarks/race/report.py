"""Turns the lines of scripts/race.sh into Markdown tables: the median of the repetitions, and minimum and maximum of the rate."""
import json
import sys
from collections import defaultdict
from statistics import median

TITLES = {
    "cycle": "Cycle: submit, lease, acknowledge",
    "next": "Cycle in two requests: submit, and an acknowledgement that leases the next job",
    "batch": "Cycle in batches",
    "submit": "Submit only",
    "tls": "Cycle over TLS, HTTP/1.1",
    "h2": "Cycle over TLS, HTTP/2",
    "many": "Cycle beside idle connections",
}
COUNTS = ("refused", "duplicates", "missing", "unacknowledged", "corrupt")


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def middle(runs, *path):
    """The median of one figure, for those runs that have it."""
    values = []
    for run in runs:
        for name in path:
            run = run.get(name) if isinstance(run, dict) else None
        if run is not None:
            values.append(run)
    return median(values) if values else None


def spread(runs, name):
    values = [run[name] for run in runs if name in run]
    if not values:
        return "–"
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))}–{number(max(values))})"


def latency(runs, verb):
    figures = [middle(runs, verb, figure) for figure in ("p50_ms", "p99_ms", "max_ms")]
    return "–" if figures[0] is None else " / ".join(number(figure) for figure in figures)


def mebibytes(kib):
    return number(kib / 1024) if kib is not None else "–"


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def by(runs, *names):
    groups = defaultdict(list)
    for run in runs:
        groups[tuple(run[name] for name in names)].append(run)
    return groups.items()


def rates(runs, cell):
    print(f"### {TITLES[cell]}\n")
    if cell == "batch":
        print(f"{runs[0]['batch']} jobs a request.\n")
    if cell == "many":
        print(f"{runs[0]['idle']:,} connections say nothing.\n")
    table(
        ["connections", "peer", "jobs/s", "submit, ms: p50 / p99 / max", "lease, ms", "ack, ms", "server CPU, µs a job",
         "flushes a job", "server MiB", "generator CPU, µs a job"],
        [[str(connections), peer, spread(group, "jobs_per_s"), latency(group, "submit"),
          latency(group, "lease") if cell != "next" else "–",  # only the first job of a connection is leased by itself
          latency(group, "ack"), number(middle(group, "cpu_us_per_job")), number(middle(group, "flushes_per_job")),
          mebibytes(middle(group, "memory_kib")), number(middle(group, "generator_cpu_us_per_job"))]
         for (connections, peer), group in by(runs, "connections", "peer")])


def idle(runs):
    print(f"### Memory of {runs[0]['connections']:,} connections\n")
    table(
        ["peer", "connected, bytes each", "idle after a request", "in a long poll", "a job for each, s"],
        [[peer] + [spread(group, name) for name in ("connected_bytes", "idle_bytes", "poll_bytes", "wake_seconds")]
         for (peer,), group in by(runs, "peer")])


def start(empty, full):
    print("### Start\n")
    full = dict(by(full, "peer"))
    waiting = f"{next(iter(full.values()))[0]['waiting']:,} jobs" if full else "jobs"
    table(
        ["peer", "exec to listening, empty, ms", f"kill -9 to listening, {waiting}, ms", "to the first lease, ms", "MiB before",
         "MiB after"],
        [[peer, spread(group, "listening_ms")] + [spread(full.get((peer,), []), name) for name in ("listening_ms", "first_lease_ms")] +
         [mebibytes(middle(full.get((peer,), []), name)) for name in ("filled_memory_kib", "memory_kib")]
         for (peer,), group in by(empty, "peer")])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    cells = defaultdict(list)
    for line in lines:
        if "machine" in line:
            machine = line["machine"]
            print(f"{machine['time']}, {machine['cores']} cores, Linux {machine['kernel']}, load {machine['load']} at the start.\n")
        else:
            cells[line["cell"]].append(line)
    for cell in TITLES:
        if cells[cell]:
            rates(cells[cell], cell)
    if cells["idle"]:
        idle(cells["idle"])
    if cells["start"]:
        start(cells["start"], cells["restart"])
    runs = [run for group in cells.values() for run in group]
    wrong = [run for run in runs if any(run[name] for name in COUNTS)]
    print(f"{len(runs)} runs; {len(wrong)} of them lost, repeated or altered a job, or were refused a request.")
    for run in wrong:
        print(f"- {run['cell']}, {run['peer']}, {run['connections']} connections: " +
              ", ".join(f"{name} {run[name]}" for name in COUNTS if run[name]))


main()

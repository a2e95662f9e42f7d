"""How an experiment's metric is found, and what the operator reads when it is not."""

from __future__ import annotations

import pytest

from tactician.errors import HostError
from tactician.experiment import Metric
from tactician.system.parsers import MetricNotFoundError, ParsedMetric, find_metric, parse_output

WRK = """Running 3s test @ http://127.0.0.1:8088/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     6.03ms    3.37ms  21.98ms   64.39%
    Req/Sec     5.24k     1.24k    8.60k    70.00%
  31716 requests in 3.05s, 25.71MB read
Requests/sec:  10391.68
Transfer/sec:      8.42MB
"""


def ask(text: str, name: str = "m", *, pattern: str | None = None, path: str | None = None) -> ParsedMetric:
    return find_metric(parse_output(text), text, Metric(name, pattern=pattern, path=path))


def refused(text: str, name: str = "m", *, pattern: str | None = None, path: str | None = None) -> str:
    with pytest.raises(MetricNotFoundError) as caught:
        ask(text, name, pattern=pattern, path=path)
    return str(caught.value)


def test_error_is_the_hosts_and_has_a_code() -> None:
    assert issubclass(MetricNotFoundError, HostError)
    assert MetricNotFoundError.code == "metric"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("tps = 1158.074075 (without initial connection time)\n", "transactions_per_second", 1158.074075),
        (WRK, "requests_per_second", 10391.68),
        ("CPU speed:\n    events per second:  1659.82\n", "operations_per_second", 1659.82),
    ],
)
def test_names_of_the_documented_examples_are_found_in_real_tools(text: str, name: str, value: float) -> None:
    assert ask(text, name).value == value


def test_exact_name_wins_over_alias_and_alias_over_spelling() -> None:
    text = "throughput: 1\nThroughput: 2\nTHROUGHPUT: 3\n"
    assert ask(text, "Throughput").value == 2
    assert ask(WRK + "rps_total: 7\nrps: 8\n", "rps").name == "requests_per_second"
    assert ask("Through-put: 2\n", "throughput").value == 2


def test_several_spellings_without_an_exact_one_are_ambiguous() -> None:
    message = refused("Through-put: 1\nTHROUGHPUT: 2\n", "throughput")
    assert message == "throughput is ambiguous in this output; it could be: Through-put, THROUGHPUT"


def test_unknown_name_is_told_what_there_is_and_what_is_near() -> None:
    message = refused(WRK, "request_per_second")
    assert message.startswith(
        "the output of wrk holds no metric request_per_second (did you mean requests_per_second?)"
    )
    assert message.endswith("total_time, requests_per_second, bytes_per_second")


def test_message_names_at_most_twenty() -> None:
    message = refused("".join(f"number{index}: {index}\n" for index in range(50)), "x")
    assert message.count("number") == 20
    assert message.endswith(" and 30 more")


def test_empty_output_says_that_there_is_no_number() -> None:
    assert refused("", "x") == "the output holds no metric x, nor any other number with a name"


def test_name_with_regular_expression_characters_is_only_a_name() -> None:
    assert "holds no metric .*" in refused("score: 5\n", ".*")
    assert "holds no metric (\\d+)" in refused("score: 5\n", "(\\d+)")
    assert ask("a.b*c: 5\n", "a.b*c").value == 5


def test_tools_own_lines_are_found_after_its_metrics() -> None:
    assert ask("This is ApacheBench\n\nConcurrency Level:      32\n", "Concurrency Level").value == 32


def test_scripts_own_line_beats_the_tools_number() -> None:
    assert ask(WRK + "requests_per_second: 5 req/s\n", "requests_per_second").value == 5
    assert ask(WRK + "requests_per_second=5\n", "requests_per_second").value == 5


# --- pattern --------------------------------------------------------------------------------------


def test_last_match_of_a_pattern_counts() -> None:
    assert ask("x 1\nx 2\n", pattern=r"x (\d+)").value == 2


def test_pattern_sees_lines_also_under_carriage_returns() -> None:
    found = ask("GET: 1 rps\rGET: 22.5 ms\rdone", "get_latency", pattern=r"^GET: (.*)$")
    assert (found.name, found.value, found.unit, found.direction) == ("get_latency", 0.0225, "s", "minimize")


def test_pattern_takes_precedence_over_name_and_path() -> None:
    assert ask('{"m": 1}\nx 2\n', "m", pattern=r"x (\d)", path="m").value == 2


def test_group_that_took_no_part_is_no_match() -> None:
    assert ask("a 1\nb\n", pattern=r"a (\d)|b").value == 1


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "is no regular expression"),
        (r"\d+", "has 0 groups; exactly one"),
        (r"(\d)(\d)", "has 2 groups"),
        (r"y (\d)", "matches nothing"),
        (r"(x)", "captured 'x', which is no number"),
    ],
)
def test_useless_patterns_are_explained(pattern: str, message: str) -> None:
    assert message in refused("x 12\n", pattern=pattern)


# --- path -----------------------------------------------------------------------------------------

DOCUMENT = (
    'note\n{"jobs": [{"write": {"iops": 5, "percentile": {"99.000000": 7}}}], "t": "1.5 ms", "b": true}\n'
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("jobs.0.write.iops", 5),
        ("jobs[0].write.iops", 5),
        ("jobs.-1.write.iops", 5),
        ("jobs.0.write.percentile.99.000000", 7),
        ('jobs[0].write.percentile["99.000000"]', 7),
        ("t", 0.0015),
    ],
)
def test_path_leads_into_json(path: str, value: float) -> None:
    assert ask(DOCUMENT, path=path).value == value


def test_last_document_that_has_the_path_counts() -> None:
    assert ask('{"a": 1}\n{"a": 2}\n{"b": 3}\n', path="a").value == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("jobs.1.write", "has the path jobs.1.write"),
        ("jobs.x", "has the path jobs.x"),
        ("jobs.0.write", "stands an object"),
        ("jobs", "stands a list"),
        ("b", "stands True"),
        ("", "has the path"),
    ],
)
def test_wrong_paths_are_explained(path: str, message: str) -> None:
    assert message in refused(DOCUMENT, path=path)


def test_path_without_json_is_explained() -> None:
    assert "there is no JSON document" in refused("x: 1\n", path="x")


# --- not finite -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "said"), [("nan", "NaN"), ("-nan", "NaN"), ("inf", "infinite"), ("-Inf", "infinite")]
)
def test_numbers_that_are_not_finite_are_refused_by_name(printed: str, said: str) -> None:
    assert (
        refused(f"score: {printed}\n", "score") == f"score is {said} in this output, which is no measurement"
    )
    assert said in refused(f"score: {printed}\n", pattern="score: (.*)")


def test_json_nan_is_refused() -> None:
    assert "NaN" in refused('{"a": NaN}\n', "a")
    assert "infinite" in refused('{"a": Infinity}\n', path="a")


def test_not_finite_numbers_are_no_part_of_the_document() -> None:
    document = parse_output("a: nan\nb: 1\n").to_dict()
    assert [metric["name"] for metric in document["metrics"]] == ["b"]  # type: ignore[attr-defined]


# --- which tool -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "# Running my own benchmark\nscore: 5\n",
        "Error from server (NotFound): pods not found\nscore: 5\n",
        "total: 500.0 requests per second\nscore: 5\n",
        "Summary:\n  score: 5\n",
        "Time to get up\nscore: 5\n",
        "[ 1s ] score: 4\nscore: 5\n",
    ],
)
def test_text_that_only_resembles_a_tool_is_plain(text: str) -> None:
    output = parse_output(text)
    assert output.tool is None
    assert output.problems == ()
    assert find_metric(output, text, Metric("score")).value == 5


def test_warm_up_does_not_mix_with_the_run_that_counts() -> None:
    text = WRK.replace("6.03ms", "9.99ms").replace("Requests/sec", "  99%   1.00ms\nRequests/sec") + WRK
    output = parse_output(text)
    assert "latency_p99" not in {metric.name for metric in output.metrics}
    assert find_metric(output, text, Metric("latency_mean")).value == 0.00603


def test_failed_warm_up_is_still_a_problem() -> None:
    failed = WRK.replace("Requests/sec", "  Non-2xx or 3xx responses: 31716\nRequests/sec")
    assert len(parse_output(failed + WRK).problems) == 1

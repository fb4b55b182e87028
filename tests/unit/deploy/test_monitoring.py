"""Dashboard and alerts speak of metrics and labels that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from core import telemetry

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
METRICS = [metric for metric in vars(telemetry).values() if isinstance(metric, MetricWrapperBase)]


def series(metric: MetricWrapperBase) -> dict[str, set[str]]:
    """The names under which Prometheus stores it, with their labels."""
    labels = set(metric._labelnames)
    name = metric._name
    if isinstance(metric, Histogram):
        return {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
    return {f"{name}_total" if isinstance(metric, Counter) else name: labels}


SERIES = {name: labels for metric in METRICS for name, labels in series(metric).items()}
ALERTS = [rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
PANELS = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [target["expr"] for panel in PANELS for target in panel["targets"]]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_metrics_and_labels_that_exist(expression: str) -> None:
    names = set(re.findall(r"footnote_\w+", expression))
    assert names
    assert names <= SERIES.keys()
    known = set().union(*(SERIES[name] for name in names))
    grouped = {label for inside in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", inside)}
    matched = set(re.findall(r"[{,](\w+)[=!~]", expression))
    assert grouped | matched <= known


def test_every_metric_is_shown() -> None:
    shown = set(re.findall(r"footnote_\w+", " ".join(target["expr"] for panel in PANELS for target in panel["targets"])))
    assert [metric._name for metric in METRICS if not shown & series(metric).keys()] == []


def test_an_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in ALERTS:
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert used <= set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"])))), rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]

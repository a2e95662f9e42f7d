"""What a sentence in a chat asks for, in English and in Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_ai.agent.words import Meant, read_words


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("run it", "run"),
        ("OK, run it!", "run"),
        ("please go ahead", "run"),
        ("运行吧", "run"),
        ("好的，开始", "run"),
        ("dry run", "dry_run"),
        ("模拟运行一下", "dry_run"),
        ("模拟一下", "dry_run"),
        ("apply", "apply"),
        ("now apply it", "apply"),
        ("应用", "apply"),
        ("revert", "revert"),
        ("撤销", "revert"),
        ("confirm", "confirm"),
        ("确认", "confirm"),
        ("why this knob?", "why"),
        ("why vm.swappiness", "why"),
        ("为什么选这个参数？", "why"),
        ("show me the plan", "show"),
        ("方案", "show"),
        ("results", "result"),
        ("结果", "result"),
        ("go on with what you learned", "go_on"),
        ("继续", "go_on"),
        ("fewer trials", "trials"),
        ("only 10 trials", "trials"),
        ("试验少一点", "trials"),
        ("最多10次", "trials"),
        ("more trials please", "words"),
        ("more trials", "trials"),
        ("without vm.swappiness", "drop"),
        ("don't touch vm.swappiness and net.core.somaxconn", "drop"),
        ("不要动 vm.swappiness", "drop"),
        ("help", "help"),
        ("?", "help"),
        ("quit", "quit"),
        ("再见", "quit"),
        ("don't touch the network", "words"),
        ("optimize this system for database workload", "words"),
        ("my nginx drops connections under bursts", "words"),
        ("Redis 尾延迟太高，帮我调优", "words"),
        ("run the database faster", "words"),
        ("apply less memory pressure to redis", "words"),
        ("optimize nginx with 10 trials", "words"),
    ],
)
def test_a_sentence_means(sentence, kind):
    assert read_words(sentence).kind == kind


def test_numbers_and_names_are_read():
    assert read_words("only 12 trials").trials == 12
    assert read_words("最多8次").trials == 8
    assert read_words("fewer trials").factor == 0.5
    assert read_words("more trials").factor == 2.0
    assert read_words("without vm.swappiness, net.ipv4.tcp_rmem[2]").knobs == (
        "vm.swappiness",
        "net.ipv4.tcp_rmem[2]",
    )
    assert read_words("why /sys/block/vda/queue/nr_requests").knobs == ("/sys/block/vda/queue/nr_requests",)


@given(st.text())
def test_any_text_means_something(text):
    assert isinstance(read_words(text), Meant)

"""Which of the few things a chat can do a sentence asks for, in English and in Chinese."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal[
    "run", "dry_run", "apply", "confirm", "revert", "why", "trials", "drop", "show", "go_on", "result",
    "help", "quit", "words",
]  # fmt: skip

KNOB = r"(?:/sys/[\w./{}:-]+|[a-z][\w-]*(?:\.[\w-]+)+(?:\[\d\])?)"
_POLITE = re.compile(
    r"^(?:(?:ok|okay|yes|please|now|then|and|so|well|好的?|请|现在|那么?|那就|嗯|行)[,，.!！\s]*)+", re.I
)
_END = re.compile(r"[\s.!?。！？吧呢了啊~]+$")
_DROPPING = (
    "without", "drop", "remove", "leave out", "skip", "don'?t (?:touch|change|tune)",
    "do not (?:touch|change|tune)", "不要动", "不动", "别动", "去掉", "不调", "不要调",
)  # fmt: skip
# Alternatives per thing to do, of which one must be the whole sentence; the first that is counts.
_PATTERNS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("quit", ("quit", "exit", "bye", "goodbye", ":q", "退出", "再见", "结束")),
    ("help", ("help", r"\?", "what can (?:you|i) do", "帮助", "怎么用")),
    ("dry_run", ("dry[ -]?run(?: it)?", "simulate(?: it)?")),
    ("dry_run", ("模拟", "模拟运行", "模拟一下", "模拟运行一下", "试运行")),
    ("run", ("run(?: it| this| the plan)?", "go(?: ahead)?", "start(?: it)?", "do it")),
    ("run", ("执行", "开始", "运行", "跑", "跑一下", "开跑")),
    ("apply", ("apply(?: it| this| that)?", "apply the (?:result|winner)", "put it in place", "use it")),
    ("apply", ("应用", "生效", "应用结果")),
    ("confirm", ("confirm(?: it)?", "keep it", "确认", "保留")),
    ("revert", ("revert(?: it)?", "undo(?: it)?", "take it back", "roll ?back")),
    ("revert", ("撤销", "回滚", "还原", "恢复原样")),
    ("go_on", ("go on", "continue", "(?:another|one more) round", "reflect")),
    ("go_on", (r"(?:go on|continue) with what (?:you|we|it) (?:have |has )?learn\w*",)),
    ("go_on", ("继续", "再来一轮", "接着来", "用学到的继续")),
    ("show", ("show(?: me)?(?: it| the plan| this plan)?(?: again)?", "(?:the )?plan")),
    ("show", ("显示", "显示方案", "方案", "看看方案")),
    ("result", ("(?:show (?:me )?)?(?:the )?results?", "what did (?:you|it) find", "结果", "看看结果")),
    ("why", (r"(?:why|explain|what is|what does)\b.*", "(?:为什么|为何|解释|什么是).*", ".*为什么")),
    ("trials", (r"(?:only|just|at most|with|use|make it)?\s*(?P<trials>\d{1,5}) trials?",)),
    ("trials", (r"(?:只要?|最多|就|改成)?\s*(?P<trials>\d{1,5})\s*[次轮](?:试验|实验)?",)),
    ("trials", ("(?P<fewer>(?:fewer|less) (?:trials?|runs?)|not so many (?:trials|runs))",)),
    ("trials", ("(?P<fewer>少一?些试验|试验(?:次数)?少一?[点些]|次数少一?[点些]|少跑几次)",)),
    ("trials", ("(?P<more>more (?:trials?|runs?)|多一?些试验|试验(?:次数)?多一?[点些]|多跑几次)",)),
    ("drop", (rf"(?:{'|'.join(_DROPPING)})\s*{KNOB}(?:\s*(?:,|and|和|、)\s*{KNOB})*",)),
)
_COMPILED = tuple(
    (kind, re.compile(alternative, re.I)) for kind, alternatives in _PATTERNS for alternative in alternatives
)


class Meant(NamedTuple):
    """What a sentence asks for.

    Attributes:
        knobs: names in it that look like knobs.
        trials: how many, where it says so.
        factor: by how much their number changes, where it says so.
        text: the sentence itself.
    """

    kind: Kind
    text: str
    knobs: tuple[str, ...] = ()
    trials: int | None = None
    factor: float = 1.0


def read_words(sentence: str) -> Meant:
    """Say what a sentence asks for; ``words`` where it says more about what is wanted of the host."""
    text = sentence.strip()[:4000]
    core = _END.sub("", _POLITE.sub("", text)) or _END.sub("", text) or text
    knobs = tuple(dict.fromkeys(re.findall(KNOB, core)))
    for kind, pattern in _COMPILED:
        match = pattern.fullmatch(core)
        if match is None:
            continue
        named = match.groupdict()
        if named.get("trials"):
            return Meant(kind, text, knobs, trials=int(named["trials"]))
        factor = 0.5 if named.get("fewer") else 2.0 if named.get("more") else 1.0
        return Meant(kind, text, knobs, factor=factor)
    return Meant("words", text, knobs)

from __future__ import annotations

import hashlib
from importlib.resources import files

from experts.mllm.prompts import prompts

# Opinions are ranked among those that were asked for with the same texts. With every change of a
# text the version goes up, and the hash here with it.
KNOWN = {2: "60e1330de888695c06c878ee5effff4fa941680edb930425dedf6d2a4bd0b4b1"}


def test_other_texts_have_another_version() -> None:
    raw = files("experts.mllm").joinpath("prompts.yaml").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == KNOWN[prompts().version]

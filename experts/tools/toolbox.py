"""Takes closer looks at an inspected image."""

from __future__ import annotations

from experts.evidence import Look
from experts.tools.call import Call
from experts.tools.comparing import compare
from experts.tools.lookup import lookup
from experts.tools.measuring import measure
from experts.tools.places import find_target
from experts.tools.scene import Equipment, Looked, Scene
from experts.tools.zooming import zoom


class Toolbox:
    """The tools of one line: ``zoom``, ``compare``, ``measure`` and ``lookup``.

    Args:
        gear: What they need of the line.
    """

    def __init__(self, gear: Equipment) -> None:
        self.gear = gear

    def use(self, call: Call, scene: Scene, number: int) -> Looked:
        """Take a closer look; the same call on the same image gives the same look.

        What makes no sense, such as a region that is not there, gives a look that says so.

        Args:
            call: What is asked for.
            scene: The image.
            number: Of the look, from 1; it becomes ``look-NUMBER``.

        Raises:
            LineError: If the line is damaged or was replaced since it was opened.
        """
        if call.tool == "lookup":
            return lookup(call.target, self.gear.knowledge, number)
        target = find_target(call.target, scene)
        if isinstance(target, str):
            return Looked(_in_vain(call, number, target))
        if call.tool == "measure":
            return measure(target, scene, number)
        if not self.gear.beside(scene, 1):
            return Looked(_in_vain(call, number, "The line has no normal images to compare with."))
        if call.tool == "compare":
            return compare(target, call.k, scene, self.gear, number)
        return zoom(target, scene, self.gear, number)


def _in_vain(call: Call, number: int, why: str) -> Look:
    return Look(id=f"look-{number}", tool=call.tool, target="", found=why)

"""Sentences about the inspections of ``tests/claim_facts.py``, and what shall come of them."""

from __future__ import annotations

from collections.abc import Iterator

# What stays as it came, and is right. The cases are those of tests/claim_facts.py.
RIGHT = {
    "one": """
        The part is rejected.
        Rejected.
        Verdict: REJECT
        The washer is not accepted.
        The part should not be shipped.
        It cannot be shipped, sold or delivered.
        The part does not pass.
        The part is NOT OK.
        It should be held back.
        The washer fails the inspection.
        The part is defective.
        The washer can neither be accepted nor shipped.
        The washer does not meet the specification.
        Discard the washer.
        My recommendation is to reject the part.
        The image is unusual.
        Das Teil ist abgelehnt.
        Das Teil ist nicht in Ordnung.
        Das Teil ist n.i.O.
        There is a single defect.
        There is only one defect.
        Defects: 1
        No other defects were found.
        The defect lies in the upper left corner.
        The defect lies in the upper left quadrant.
        The defect is in the left half of the image.
        The dark line is at the top.
        Die Stelle liegt oben links.
        It is a dark line of about 20 × 4 px at the top left.
        It measures 20x4 pixels.
        It measures 1 x 0.2 mm.
        It is 1,0 mm long.
        It is 0.1 cm long.
        It is 1000 µm long.
        It is roughly 1.1 mm long.
        It is between 0.9 and 1.1 mm long.
        It is longer than 0.9 mm.
        The defect is 1 mm long and 0.2 mm wide.
        Its area is 80 px².
        Its area is 0.2 mm².
        It covers 0.09 % of the image.
        It is dark and elongated.
        It is darker than the reference.
        This may be scratch or crack.
        It is likely a scratch.
        It is not a pit.
        It may be a fracture.
        It exceeds the limit of 0.4 mm.
        It is larger than allowed.
        It is too long.
        The length of 1 mm exceeds the allowed 0.4 mm.
        It violates rule crack.any.
        Rule scratch.count holds.
        No cracks are allowed.
        Clause `scratch.length` allows length up to 0.4 mm, measured 1 mm.
        The washer is rejected because the scratch or crack is longer than allowed.
        The p-value is 0.01, below alpha 0.05.
        The p-value is smaller than alpha.
        It scores beyond all 99 normal washers (p = 0.01).
        Its peak is 2.5 times what normal images reach.
        The confidence is 97 %.
        The most similar normal image is ok_003.png (similarity 0.93).
        The language model takes the image for a scratch (62%).
        region-1 is a dark line at the top left.
        The part is free of pits, but it is rejected.
        {"verdict": "reject", "place": "top left", "length": "20 px"}
        The promise on false rejects is 5 %.
        Ein dunkler Strich liegt oben links.
        Es kann ein Kratzer oder Riss sein.
        The dark line at the top left is due to a scratch or crack.
        The dark line is not visible in the reference.
        The part does not look like the reference.
        It is a small, dark line.
    """,
    "three": """
        There are three places.
        There are several defects.
        There is one scratch.
        Two dark places stand out.
        There are two more places.
        There are at least two defects.
        A dark line lies at the top left, a bright spot in the centre.
        A dark line at the top left and a dark spot at the bottom right.
        There are three defects: a scratch at the top left, a pit in the centre and a dark spot.
        The scratch at the top left is 40 px long.
        The pit in the centre is bright.
        The scratch lies at the top left, the pit in the centre.
        The defects lie at the top left, in the centre and at the bottom right.
        region-2 is a pit and region-3 may be a pit or a crack.
        region-1 and region-3 are dark.
        region-1: dark line, 40 × 4 px, top left
        | region-1 | top left | 40 px |
        The bright spot is 15 px long and lies in the centre.
        In the lower right there might be a crack.
        Region-1 lies at the top left. It is 40 px long.
        The first defect is a scratch.
        The largest defect is at the bottom right.
        The strongest place is region-1.
        Rule pit.area is kept, rule pit.size is violated.
        Clause pit.area holds with 0.9 % measured.
        scratch.length allows up to 0.4 px; measured were 40 px.
        It scores beyond all but 1 of 99 normal washers.
        The box of region-1 is (20, 30, 60, 34).
        The image is 300 × 300 px.
        All three places exceed their limits.
        region-3 ist ein dunkler Fleck.
        region-2 ist ein Grübchen.
        region-2 is larger than region-1.
        region-2, a bright spot, is larger than region-1.
        region-1 is longer than region-3.
        region-3 is larger than the others.
        region-3 is the largest.
        region 1 is the smallest.
        region-2 ist größer als region-1.
        region-3 ist am größten.
        There are more dark places than bright ones.
        There are fewer bright places than dark ones.
        There are more spots than lines.
        Es gibt mehr dunkle als helle Stellen.
    """,
    "none": """
        The part is accepted.
        The washer is OK.
        This is a good part.
        No defects were found.
        The part is free from defects and can be shipped.
        There are 0 defects.
        Nothing stands out.
        The part passed the inspection.
        The part is not defective.
        No review is needed.
        No scratches were found.
        The p-value of 0.6 is larger than alpha.
        59 of 99 normal washers score at least as high (p = 0.6).
        Nobody needs to look at it.
    """,
    "review": """
        The part needs review.
        Look again.
        A person should look at it.
        It is sent to review.
        It cannot be shipped yet.
        The part is not accepted.
        A bright line of about 30 × 6 px lies at the right.
        Ein Mensch muss entscheiden.
        Das muss eine Person prüfen.
        Only 3 normal images are enrolled.
    """,
    "within": """
        The part is accepted.
        It has no defects.
        The pit is within the limits.
        The pit of 1 mm is within the limit of 2 mm.
        There is one pit.
        A dark spot of 1 × 0.9 mm lies at the bottom.
        Its area is 0.4 % of the image.
        The limit is 5 % of the area.
    """,
}

# What is put right.
CORRECTED = {
    "one": """
        The part is accepted. -> The part is rejected.
        ACCEPTED -> REJECTED
        The verdict is accept. -> The verdict is reject.
        **Verdict:** accept -> **Verdict:** reject
        {"verdict": "accept"} -> {"verdict": "reject"}
        The defect is 3 mm long. -> The defect is 1 mm long.
        It is about 1.5 mm long. -> It is about 1 mm long.
        It measures 12 x 2 mm. -> It measures 1 x 0.2 mm.
        The defect is near the lower edge. -> The defect is at the top left.
        A dark line lies in the bottom right corner. -> A dark line lies at the top left.
        This is a scratch. -> This may be scratch or crack.
        The scratch is about 1.1 mm long. -> The scratch or crack is about 1.1 mm long.
        It is a dent. -> It may be scratch or crack.
        It is a bright spot. -> It is a dark line.
        It is within the limit of 0.4 mm. -> It is not within the limit of 0.4 mm.
        Region 1 lies at the top right. -> Region 1 lies at the top left.
        Die Stelle liegt unten rechts. -> Die Stelle liegt oben links.
    """,
    "three": """
        There are four places. -> There are three places.
        The scratch at the top left is 30 px long. -> The scratch at the top left is 40 px long.
        The scratch is in the middle. -> The scratch is at the top left.
        The smallest defect is at the bottom right. -> The smallest defect is at the top left.
        The bright spot is at the top. -> The bright spot is in the centre.
        At the top left there is a pit. -> At the top left there is a scratch.
        region-3 is a crack. -> region-3 may be pit or crack.
        The second place is dark. -> The second place is bright.
        region-2: bright spot, 30 × 22 px -> region-2: bright spot, 15 × 12 px
        Rule scratch.length allows 2 px. -> Rule scratch.length allows 0.4 px.
    """,
    "none": """
        The part is rejected. -> The part is accepted.
    """,
    "review": """
        The part is rejected. -> The part is sent to review.
        The part is accepted. -> The part is sent to review.
        The line is about 3 mm long. -> The line is about 30 px long.
        It is on the left. -> It is at the right.
    """,
    "within": """
        The pit of 1 mm exceeds the limit of 2 mm. -> The pit of 1 mm is within the limit of 2 mm.
        It is a scratch. -> It is a pit.
    """,
}

# What is left out: false without a clear right value, or not to be told.
DROPPED = {
    "one": """
        This washer can be shipped.
        This is a good part.
        It's fine.
        It looks perfect.
        Good to go.
        A-OK.
        The part can go to the customer.
        You can use this washer.
        Keep the part.
        Let this one go.
        Status: green
        There is nothing wrong with the part.
        The part is not rejected.
        It is not true that the part is rejected.
        The part was wrongly rejected.
        The rejection is unjustified.
        The part is anything but rejected.
        The part should not have been rejected.
        The part is rejected?
        The previous part was rejected.
        Rejected, but you can still ship it.
        The part is not accepted but shipped.
        A person should look at it.
        if it were longer than 2 mm it would be rejected.
        Were it shorter, it would be accepted.
        I would accept it.
        The part is not only good but great.
        No defects were found.
        The part is defect-free.
        The part shows no visible damage.
        Anomalies: none
        The part has several defects.
        There are two scratches.
        It is 7 mm deep.
        It is smaller than allowed.
        It is within tolerance.
        Rule crack.any is not violated.
        Rule scratch.any is violated.
        The length of 1 mm exceeds the allowed 0.6 mm.
        It is not a scratch.
        The scratch is not at the top left.
        The part has 7 teeth.
        The washer was made in 2023.
        I am 95 % sure.
        The p-value is larger than alpha.
        The p-value is not below alpha.
        The p-value is 0.5.
        The most similar image is bad.png.
        region-2 is a dark line.
        Left of the hole there is a dark line.
        Normal washers are dark at the top left.
        The language model takes the image for a crack (80%).
        Check the gripper for burrs.
        Yes.
        La pièce est acceptée.
        La pieza es buena.
        该零件合格
        The model says that it may be accepted.
        Ein Mensch muss entscheiden.
        Das ist ein Kratzer.
        It is a coffee stain.
        Es ist ein Kaffeefleck.
        The oil residue at the top left is 20 px long.
        The dark line at the top left is caused by coffee.
        The dark line at the top left is caused by the gripper.
        The anomaly weakens only slightly.
        Nobody needs to look at it.
        You need not check it.
        The image looks like the reference.
        The surface looks like that of the reference.
        This washer shows the same as the good one.
        Both images are identical.
        Both washers look alike.
        The dark line also appears in the reference.
        Region-1 appears in the reference.
        Region-1 is as bright as the reference.
        Beide Bilder sind gleich.
        Die Oberfläche sieht aus wie auf dem Referenzbild.
        Auch das Referenzbild zeigt den Strich.
        The washer shows only a clean edge.
        It shows nothing but a reflection.
        The dark line is just a shadow.
        The dark line at the top left is a clean seam.
        What is seen is a printed number.
        That is how such washers look.
        Such washers are made every day.
        The dark line at the top left belongs there.
        Echo is too strict here.
        The detector was fooled by the light.
    """,
    "three": """
        It is 40 px long.
        The defects are 15 px long.
        region-1 and region-2 are dark.
        All places are dark.
        There are no pits.
        There are two pits.
        There is a single defect.
        The defects lie at the top left and at the top right.
        The scratch is larger than the pit.
        The scratch is twice as long as the pit.
        The scratch is longer than 50 px.
        The scratch is 10 to 20 px long.
        The scratch is at least 41 px long.
        Rule pit.size is kept.
        scratch.length allows up to 0.4 px; measured were 15 px.
        It scores beyond all 99 normal washers.
        Two of 99 normal washers score as high.
        The image has 300 x 200 pixels.
        The box of region-1 is (20, 30, 60, 35).
        The scratch runs from the top left to the bottom right.
        region-3 ist ein heller Fleck.
        region-2 ist ein Kratzer.
        region-1 is larger than region-2.
        region-2 is not larger than region-1.
        region-1 is larger than all the others.
        region-1 is the biggest.
        region-1 ist größer als region-2.
        region-1 ist am größten.
        region-3 is brighter than region-1.
        region-2 is larger.
        There are more bright places than dark ones.
        There are more scratches than pits.
        Es gibt mehr helle als dunkle Stellen.
    """,
    "none": """
        It needs review.
        A defect was found.
        There is a scratch at the top left.
        It has several scratches.
        It is 12 px long.
        A person should look at it.
        The image is unusual.
        Better look twice.
        Take a closer look, better double check.
        The detector missed the crack.
    """,
    "review": """
        The part is not rejected.
        Nobody has to check this washer.
        The bright line at the right is only a reflection.
        The part is defective.
        The part can be shipped.
        Ein Mensch muss nicht entscheiden.
        This is a scratch.
        It may be a scratch.
        The part is OK.
    """,
    "within": """
        The limit is 3 mm.
        It is too large.
        The part is defective.
    """,
}

# What claims nothing that can be checked.
UNCHECKED = {
    "one": """
        The surface is ground.
        Is the part accepted?
        How long is the scratch?
        Kann man das Teil ausliefern?
        The image shows a washer.
        The photo is sharp.
        It looks similar to ok_003.png.
        The cause may be the gripper.
    """,
    "three": """
        Washers are stamped from sheet metal.
        Good light helps.
    """,
}


def lines_of(table: dict[str, str]) -> Iterator[tuple[str, str]]:
    for case, text in table.items():
        yield from ((case, line.strip()) for line in text.strip().splitlines())

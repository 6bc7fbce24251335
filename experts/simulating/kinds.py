"""The kinds of anomalies that can be drawn; known without loading what draws them."""

KINDS = (
    "chip",
    "crack",
    "cut_paste",
    "fibre",
    "fold",
    "foreign",
    "missing",
    "pit",
    "poisson",
    "scratch",
    "stain",
)

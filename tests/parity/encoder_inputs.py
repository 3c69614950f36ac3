"""The inputs of the stored encoder outputs, made from seeds: 200 texts and 20 pictures.

Used by the tests, and by whoever runs the reference programs again: it needs numpy only.
"""

import random

import numpy as np

NUM_TEXTS = 200
NUM_PICTURES = 20

_VOCABULARY = (
    "the a of and with for red blue wooden steel cotton vintage wireless portable kids' men's children's pack set "
    "camera guitar strings toothbrush novel thriller romance season soundtrack garden kitchen lamp battery charger "
    "naïve café jalapeño übergroß co-op state-of-the-art 4K 12-inch 3.5mm (2019) & 100% $9.99 #1 w/ USB-C"
)
_SCRIPTS = [
    "東京の静かな夜、古い映画館で。",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "مرحبا بالعالم، هذا كتاب قديم.",
    "नमस्ते दुनिया, यह एक पुरानी किताब है।",
    "안녕하세요 세계, 오래된 책입니다.",
    "Η γρήγορη αλεπού πηδά πάνω από το τεμπέλικο σκυλί.",
    "שלום עולם, זה ספר ישן.",
    "สวัสดีชาวโลก นี่คือหนังสือเก่า",
    "Żółć, ąęśćńź; İstanbul'da ÇĞÖŞÜ; ﬁne ﬂower ﷺ",
]
_ODD = [
    "",
    " ",
    "\n\t ",
    "🎉",
    "🎸🔥 best guitar ever 🎸🔥👩‍👩‍👧‍👦",
    "?",
    "...!!!???",
    "[SEP] [CLS] [MASK] [PAD] [UNK]",
    "a",
    "A" * 300,
    "supercalifragilisticexpialidocious" * 5,
    "null\x00byte and bell\x07",
    "<p>Some &amp; <b>HTML</b></p>",
    "https://example.org/a/b?c=d&e=f#g",
    "1234567890 3.14159 -1e-5 0x7f",
    "e\u0301 é combining",
    "zero\u200bwidth\u00a0nobreak",
]


def texts() -> list[str]:
    """200 texts: odd ones, nine scripts, 1 to 25 words, a few of 200 words, and one of 2,000."""
    draw, words_of = random.Random(20), _VOCABULARY.split()
    made = [*_ODD, *_SCRIPTS, " ".join(_SCRIPTS)]
    made.append(" ".join(draw.choice(words_of) for _ in range(2000)))
    while len(made) < NUM_TEXTS:
        count = 200 if len(made) % 60 == 0 else int(25 ** draw.random())
        words = [draw.choice(words_of) for _ in range(count)]
        if draw.random() < 0.2:
            words.insert(draw.randrange(len(words) + 1), draw.choice(_SCRIPTS))
        made.append(" ".join(words) if draw.random() < 0.7 else " ".join(words).title() + ".")
    return made


def pictures() -> list[np.ndarray]:
    """20 pictures of several shapes, uint8 ``height x width x 3``: gradients, noise, discs, stripes, flat colours."""
    rng = np.random.default_rng(20)
    shapes = [(224, 224), (256, 256), (300, 200), (120, 333), (64, 64), (401, 399), (31, 47), (500, 260)]
    made = []
    for number in range(NUM_PICTURES):
        height, width = shapes[number % len(shapes)]
        y, x = np.mgrid[0:height, 0:width] / max(height, width)
        kind = number % 5
        if kind == 0:
            slopes = rng.uniform(-1, 1, (3, 2))
            picture = np.stack([0.5 + a * (x - 0.5) + b * (y - 0.5) for a, b in slopes], axis=-1)
        elif kind == 1:
            picture = rng.uniform(0, 1, (height, width, 3))
        elif kind == 2:
            picture = np.full((height, width, 3), rng.uniform(0, 1, 3))
            for _ in range(6):
                centre, radius = rng.uniform(0, 1, 2), rng.uniform(0.05, 0.3)
                picture[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = rng.uniform(0, 1, 3)
        elif kind == 3:
            waves = rng.uniform(5, 60, (3, 2))
            picture = np.stack([0.5 + 0.5 * np.sin(a * x + b * y) for a, b in waves], axis=-1)
        else:
            picture = np.full((height, width, 3), (number % 4) / 3)
        made.append((np.clip(picture, 0, 1) * 255).round().astype(np.uint8))
    return made

"""Every benchmark runs to its end on a few small images, and prints its figures."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import pytest

from tests.benchmark_scripts import SCRIPTS, run_script
from tests.fleet_device.needs import lacking

# Arguments, in which FOLDER, OUT and MODEL stand for the fixtures' results; and a pattern of the output, with figures.
TINY: dict[str, tuple[str, str]] = {
    "background": (
        "MODEL FOLDER --scenes 1 --minutes 0.3",
        r"(?m)^ 0 table +familiarity and background +\d+ +\d+% +\d+% +\d+%$",
    ),
    "camera": (
        "FOLDER --seeds 0 --epochs 1 --size 64 --limit 9 --method ptq --out OUT",
        r"(?s)--camera takes [\d.]+% of a step's time.*, validation: \d+ images.*, test: 9 images, 1 seed.*mean of 13 ",
    ),
    "collages": (
        "FOLDER --size 64 --epochs 1 --rounds 5 --method ptq --out OUT",
        r"(?s)average precision float [\d.]+% int8 [\d.]+%.*mAP float [\d.]+%, int8 [\d.]+%.*points of mAP lost [+-]\d",
    ),
    "conditions": (
        "MODEL FOLDER/test --streams 2",
        r"(?m)^noise +strong +\S+% +\S+% +\w+$(?s:.*)False alarms in 10000 views",
    ),
    "feed": (
        "--images 12 --size 64 --batch 6 --rounds 1",
        r"(?s)default +\d+ images/s +[\d.]+ ms .*rand-augment.*--camera.*quantization-aware.*features +\d+ images/s",
    ),
    "fleet": (
        "MODEL FOLDER --devices 2",
        r"(?s)whole model: [\d.]+ kB.*from nothing: \d+ s.*new model, 2 devices: \d+ s.*nothing to do: [\d.]+ kB",
    ),
    "frigate": (
        "FOLDER --model MODEL --seeds 0 --epochs 1 --out OUT",
        r"(?s)our file, Frigate's way +[\d.]+% .*its recipe +[\d.]+%  [+-]\d",
    ),
    "groups": ("FOLDER --copies 10 --shots 10", r"(?m)^part, ok or scratched +20 +\d+ +\d+ +\d+$"),
    "grow": (
        "FOLDER --seeds 0,1 --epochs 1 --size 64 --out OUT",
        r"(?s)seed 0, 0 added: .*seed 1, 1 added: .*points lost .*: [+-]\d+\.\d\d \(.*\)\n"
        r"time \d+% of training anew; processor time \d+%",
    ),
    "import_networks": (
        "FOLDER --networks mobilenetv3_small_100 --size 64 --kept OUT",
        r"(?s)mobilenetv3_small_100 +float [\d.]+e-\d\d, same label 100%.*int8 score error .*Edge TPU",
    ),
    "int8": (
        "FOLDER --nets efficientnet-lite0 --seeds 0 --size 64 --epochs 1 --plain-epochs 2 --out OUT"
        " --methods 'guide;qat;Adam 1e-4, cosine'",
        r"(?m)^plain quantize_model, its best: .* rate by validation +[\d.]+% +[+-]\d+\.\d\d \(.*\) .*epoch \d",
    ),
    "jpeg_rule": (
        "FOLDER --seeds 0 --widths 320,480 --epochs 1 --size 64 --out OUT",
        r"(?s)reduced: decoding 4000x3000 [\d.]+ ms.* 480: in full [\d.]+%, reduced [\d.]+%, points lost [+-]\d",
    ),
    "labels": (
        "MODEL FOLDER --seeds 1 --days 2 --images 8 --decisions 4",
        r"(?s)thumbnails +\d+ groups of 18 images, .*random groups +65% .* after 8: [\d.]+%",
    ),
    "many": (
        "MODEL --cameras 2 --zones 2 --film 60 --seconds 2",
        r"(?m)^one over processes, 0\.1: [\d.]+ of the answers, [\d.]+ for the same work, [\d.]+ of the memory$",
    ),
    "many_disturbed": (
        "MODEL --cameras 3 --zones 1 --fps 2 --seconds 5",
        r"(?s)undisturbed +[\d.]+ answers/s of 1 zones.*disturbed +[\d.]+ answers/s.*the others lost -?[\d.]+% of",
    ),
    "memory": ("--counts 60,80 --size 64 --place OUT", r"growth a picture: peak -?\d+\.\d\d KiB"),
    "networks": (
        "FOLDER --backbones mobilenetv4-conv-small --size 64 --images 10 --out OUT",
        r"(?s)as published, [\d.]+ ms, [\d.]+ MB, Edge TPU: \d+ of \d+ oper.*int8 by qat [\d.]+%, points lost [+-]\d",
    ),
    "published": (
        "FOLDER --backbones efficientnet-lite0 --count 4",
        r"(?s)two photographs +[\d.]+% \(.*batch norms +[\d.]+% \(.*200 images +[\d.]+% \(",
    ),
    "small_sets": (
        "FOLDER --counts 5 --seeds 0 --tunes full --size 64 --epochs 1 --out OUT",
        r"(?m) 5 full +[\d.]+% +[\d.]+% +[+-]\d+\.\d\d \(",
    ),
    "soak": (
        "--camera mjpeg --cameras 2 --fps 50 --frames 800 --restart 300 --swaps 2 --growth 64 --age 60 --model MODEL",
        r"camera reopened \d+ times, broker or model missed 0 times, models adopted \d+",
    ),
    "speed": ("FOLDER --model MODEL --rounds 2 --plot OUT/speed.svg", r"(?m)^  ours-two +\d+\.\d\d \( *\d+\.\d\d\)"),
    "speed_agreement": ("FOLDER MODEL", r"960 pixels wide: the same label at a part [\d.]+%"),
    "speed_still": ("MODEL --rounds 1", r"(?m)^1920x1080, nothing moves: [\d.]+ ms of a processor a frame, [\d.]+ if"),
    "stages": ("FOLDER --epochs 1 --size 64", r"(?m)^in all +[\d.]+ +100% +\d+%"),
    "teach": (
        "FOLDER --counts 1,5 --seeds 0 --fine-tune 0 --out OUT",
        r"(?sm)^ +5 +[\d.]+% +[\d.]+% +[\d.]+% +[\d.]+ s +[\d.]+ s +[\d.]+ s +\d+ MiB +[+-]\d+\.\d\d \("
        r".*^ +5 +[\d.]+% +[\d.]+% +[\d.]+ s +[+-]\d+\.\d\d \(",
    ),
    "train": (
        "FOLDER --seeds 0 --epochs 2 --size 64 --ways 'full,head,HOG + SVM,time' --out OUT",
        r"(?s)full +[\d.]+% .*HOG [+] SVM, points lost to full: [+-]\d.*by picture.*time ours to .*time plain to ",
    ),
    "trashnet": (
        "FOLDER --seeds 0 --epochs 1 --size 64 --out OUT",
        r"points that int8 loses, with their 95% interval by picture: [+-]\d+\.\d\d \(",
    ),
    "unfamiliar": (
        "FOLDER --seeds 0 --near-seeds '' --size 64 --epochs 1 --count 5 --pairs --out OUT",
        r"(?m)^familiarity +\d\.\d{3} +nan +\d\.\d{3} +[\d.]+% +[\d.]+% \w+/\w+ .*[\d.]+%$",
    ),
}


@pytest.fixture(scope="module")
def folder(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train/ and test/, JPEGs of three digits."""
    root = tmp_path_factory.mktemp("photographs")
    for digit in digits.iterdir():
        for row, file in enumerate(sorted(digit.iterdir())):
            target = root / ("test" if row < 6 else "train") / digit.name / f"{file.stem}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), cv2.resize(cv2.imread(str(file)), (160, 120)))
    return root


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_finishes_and_prints_figures(name: str, folder: Path, model: Path, tmp_path: Path) -> None:
    assert name in TINY, f"Say in TINY how tests/benchmarks/{name}.py runs in a minute, and what it prints."
    if name == "fleet" and (reason := lacking(boxes=True)):
        pytest.skip(reason)
    words, printed = TINY[name]
    for mark, path in (("FOLDER", folder), ("OUT", tmp_path), ("MODEL", model)):
        words = words.replace(mark, str(path))
    done = run_script(name, *shlex.split(words))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(printed, done.stdout), done.stdout

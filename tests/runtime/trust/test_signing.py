"""Signatures of model files: what is signed is accepted; whatever was changed, cut, or signed by others is refused."""

from __future__ import annotations

import hashlib
import os
import random
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgeclf_runtime import Classifier
from edgeclf_runtime.cli import cli
from edgeclf_runtime.errors import ModelError, SignatureError
from edgeclf_runtime.model.file import read_model
from edgeclf_runtime.model.rewrite import replace_files
from edgeclf_runtime.trust.admission import Admission
from edgeclf_runtime.trust.keys import SigningKey, TrustedKeys
from edgeclf_runtime.trust.sealing import sealed_digest, split, unsigned
from edgeclf_runtime.trust.statement import LENGTH
from tests.signing import edgeclf, key_pairs

KEPT = Path(__file__).parents[2] / "kept" / "0.1" / "model.tflite"
FOREIGN = Path(__file__).parents[1] / "files" / "logits_int8.tflite"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the key pairs "mine" and "other"."""
    return key_pairs(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def signed(keys: Path, tmp_path: Path) -> Path:
    path = tmp_path / "signed.tflite"
    assert ": signed on 20" in edgeclf("sign", KEPT, "--key", keys / "mine", "-o", path)
    return path


def test_a_key_is_private_and_never_overwritten(keys: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE((keys / "mine").stat().st_mode) == 0o600
    before = (keys / "mine").read_bytes()
    assert "already exists, and keys are never overwritten" in edgeclf("sign", "--new-key", keys / "mine", status=2)
    (tmp_path / "new.pub").touch()  # also if only the public key exists
    edgeclf("sign", "--new-key", tmp_path / "new", status=2)
    assert ((keys / "mine").read_bytes(), (tmp_path / "new").exists()) == (before, False)


@pytest.mark.parametrize("source", [KEPT, FOREIGN], ids=["with a zip", "without"])
def test_a_signed_file_is_still_one_model_file(source: Path, keys: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "m.tflite", source.read_bytes()
    edgeclf("sign", source, "--key", keys / "mine", "-o", path)
    done = path.read_bytes()
    assert unsigned(done) == content
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"edgeclf-signature 1\nkind model\n")
        names = archive.namelist()
    if source == KEPT:
        with zipfile.ZipFile(source) as archive:
            assert names == archive.namelist()
    given = None if source == KEPT else [str(number) for number in range(_outputs(content))]
    picture = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    scores = []
    for file in (source, path):
        with Classifier.load(file, labels=given) as classifier:
            scores.append(classifier.classify(picture).scores)
    assert np.array_equal(*scores)
    statement = TrustedKeys(keys / "mine.pub").check(path, done)
    assert statement.digest == sealed_digest(content) == hashlib.sha256(done[:-LENGTH]).hexdigest()


def _outputs(content: bytes) -> int:
    from edgeclf_runtime.model.flatbuffer import read_flat_model

    return read_flat_model(content).outputs[0].shape[-1]


def test_signing_again_is_newer_and_changes_only_the_signature(signed: Path, keys: Path) -> None:
    before = signed.read_bytes()
    for key in ("mine", "other"):
        edgeclf("sign", signed, "--key", keys / key)
        (old, first), (new, second) = split(before), split(signed.read_bytes())
        assert old == new
        assert first is not None
        assert second is not None
        assert second.version > first.version
    assert len(signed.read_bytes()) == len(before)


def test_a_flipped_bit_anywhere_is_refused(signed: Path, keys: Path) -> None:
    content, trusted = signed.read_bytes(), TrustedKeys(keys / "mine.pub")
    size = len(content)
    ends = [
        *range(LENGTH + 40),
        *range(size - 40, size),
    ]  # counted from the end of the file
    elsewhere = random.Random(0).sample(range(size), 100)
    for back in [*ends, *elsewhere]:
        for bit in range(8) if back <= LENGTH + 40 else (0, 7):
            flipped = bytearray(content)
            flipped[size - 1 - back] ^= 1 << bit
            with pytest.raises(SignatureError):
                trusted.check(signed, bytes(flipped))
    trusted.check(signed, content)


def test_what_is_cut_or_longer_is_refused(signed: Path, keys: Path) -> None:
    content, trusted = signed.read_bytes(), TrustedKeys(keys / "mine.pub")
    for length in [*range(0, len(content), len(content) // 50), *range(len(content) - LENGTH - 30, len(content))]:
        with pytest.raises(SignatureError, match="is not signed, but"):
            trusted.check(signed, content[:length])
    for longer in (content + b"\0", b"\0" + content, content + content[-LENGTH:]):
        with pytest.raises(SignatureError):
            trusted.check(signed, longer)


def test_each_refusal_is_one_line_with_its_reason(signed: Path, keys: Path, tmp_path: Path) -> None:
    content, other = signed.read_bytes(), tmp_path / "other.tflite"
    other.write_bytes(unsigned(content))
    replace_files(other, {"labels.txt": b"".join(b"%d!\n" % number for number in range(10))})
    swapped, forged, foreign = (tmp_path / f"{name}.tflite" for name in ("swapped", "forged", "foreign"))
    for _ in range(2):  # newer than the other, even in the same millisecond
        edgeclf("sign", other, "--key", keys / "mine")
    swapped.write_bytes(other.read_bytes()[:-LENGTH] + content[-LENGTH:])
    forged.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    edgeclf("sign", signed, "--key", keys / "other", "-o", foreign)
    mine, others = split(content)[1], split(foreign.read_bytes())[1]
    assert mine is not None
    assert others is not None
    claims = tmp_path / "claims.tflite"
    claims.write_bytes(foreign.read_bytes().replace(others.key.encode(), mine.key.encode()))
    for path, reason in (
        (KEPT, "is not signed, but .* requires a signature. Sign it: edgeclf sign "),
        (swapped, "was changed after it was signed on 20"),
        (forged, "its signature is forged or damaged"),
        (foreign, "signed by another key"),
        (claims, "its signature is forged or damaged"),
    ):
        output = edgeclf("verify", path, "--trusted-key", keys / "mine.pub", status=1)
        assert len(output.splitlines()) == 1
        with pytest.raises(SignatureError, match=reason):
            TrustedKeys(keys / "mine.pub").check(path, path.read_bytes())
    assert "as exported" in edgeclf("verify", signed, "--trusted-key", keys / "mine.pub")
    words = ["verify", signed, "--trusted-key", keys / "mine.pub", "--not-older-than", other]
    assert "older than the model that was in use" in edgeclf(*words, status=1)
    both = tmp_path / "both.pub"
    both.write_bytes((keys / "other.pub").read_bytes() + (keys / "mine.pub").read_bytes())
    for path in (signed, foreign):
        TrustedKeys(both).check(path, path.read_bytes())


def test_a_changed_file_loses_its_signature(signed: Path, keys: Path) -> None:
    replace_files(signed, {"labels.txt": b"".join(b"class %d\n" % number for number in range(10))})
    assert split(signed.read_bytes())[1] is None
    with zipfile.ZipFile(signed) as archive:
        assert archive.comment == b""
    assert read_model(signed).card.labels[0] == "class 0"


def test_a_wrong_key_file_is_one_line(keys: Path, tmp_path: Path) -> None:
    text, rsa = tmp_path / "text", tmp_path / "rsa"
    text.write_text("hello", "utf-8")
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-out", rsa], check=True, capture_output=True)
    for key in (text, rsa, keys / "mine.pub", tmp_path / "none"):
        assert len(edgeclf("sign", KEPT, "--key", key, "-o", tmp_path / "x", status=2).strip().splitlines()) <= 4
    assert not (tmp_path / "x").exists()
    for key, reason in ((text, "no public key"), (keys / "mine", "a private key"), (tmp_path / "none", "No such file")):
        assert reason in edgeclf("verify", KEPT, "--trusted-key", key, status=2)
    (tmp_path / "cut.tflite").write_bytes(KEPT.read_bytes()[:5000])
    assert "cop" in edgeclf("sign", tmp_path / "cut.tflite", "--key", keys / "mine", status=1)


def test_a_key_of_openssl_with_a_passphrase_signs(tmp_path: Path) -> None:
    key = tmp_path / "key"
    make = ["openssl", "genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret", "-out", key]
    subprocess.run(make, check=True, capture_output=True)
    words = ["sign", str(KEPT), "--key", str(key), "-o", str(tmp_path / "x")]
    assert CliRunner().invoke(cli, words, input="secret\n").exit_code == 0
    wrong = CliRunner().invoke(cli, words, input="other\n")
    assert (wrong.exit_code, "wrong passphrase" in wrong.output) == (2, True)


def test_without_cryptography_one_line_says_what_to_install(signed: Path, keys: Path, tmp_path: Path) -> None:
    (tmp_path / "cryptography.py").write_text("raise ImportError('as if it were not installed')\n", "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "edgeclf_runtime"]

    def ran(*words: object) -> subprocess.CompletedProcess[str]:
        full = [*command, *map(str, words)]
        return subprocess.run(full, capture_output=True, text=True, env=environment, check=False)

    done = ran("verify", signed, "--trusted-key", keys / "mine.pub")
    wanted = "Signatures need the package cryptography: pip install 'edgeclf-runtime[signed]'"
    assert (done.returncode, done.stderr) == (1, f"Error: {wanted}\n")
    assert ran("verify", signed).returncode == 0  # without checking signatures, the package is not needed


def test_a_model_is_refused_before_an_interpreter_gets_it(keys: Path) -> None:
    with pytest.raises(ModelError, match="is not signed"):
        Classifier.load(KEPT, backend="no such backend", admit=TrustedKeys(keys / "mine.pub").check)


def test_an_older_model_is_refused_even_if_the_newest_could_not_be_noted(keys: Path, tmp_path: Path) -> None:
    signing, model = SigningKey(keys / "mine", lambda: ""), tmp_path / "model.tflite"
    (tmp_path / ".model.tflite.good.version").mkdir()  # stands in for a full disk
    admission = Admission(TrustedKeys(keys / "mine.pub"), model)
    older, newer = (signing.signed(KEPT.read_bytes(), version) for version in (1000, 2000))
    admission.note(split(newer)[1])
    admission.check(model, newer)
    with pytest.raises(SignatureError, match="older than the model that was in use"):
        admission.check(model, older)


def test_several_models_may_be_named_that_none_must_be_older_than(keys: Path, tmp_path: Path) -> None:
    signing, files = SigningKey(keys / "mine", lambda: ""), [tmp_path / name for name in ("one", "two", "three")]
    for version, file in enumerate(files, 1):
        file.write_bytes(signing.signed(KEPT.read_bytes(), version))
    words = ["--trusted-key", keys / "mine.pub", "--not-older-than", files[2], "--not-older-than", files[0]]
    assert "older than the model that was in use" in edgeclf("verify", files[1], *words, status=1)
    assert "as exported" in edgeclf("verify", files[2], *words)

"""Unsupported image formats: what such a file is, and the command that converts it."""

from __future__ import annotations

import shlex
import sys
from pathlib import PurePath

__all__ = ["conversion", "foreign_reason"]

_RAW = ("a camera's raw file", "darktable-cli {file} {stem}.jpg", "sips -s format jpeg {file} --out {stem}.jpg")
_VIDEO = ("a video", "ffmpeg -i {file} -vf fps=1 {stem}-%04d.jpg", "ffmpeg -i {file} -vf fps=1 {stem}-%04d.jpg")
_OTHER = ("an image in an unsupported format", "magick {file} {stem}.png", "sips -s format png {file} --out {stem}.png")
_HEIC = (
    "an image in HEIF or AVIF format",
    "heif-convert {file} {stem}.jpg",
    "sips -s format jpeg {file} --out {stem}.jpg",
)
_JXL = ("a JPEG XL image", "djxl {file} {stem}.png", "djxl {file} {stem}.png")
_PDF = ("a PDF or PostScript document", "pdftoppm -jpeg {file} {stem}", "pdftoppm -jpeg {file} {stem}")
_SVG = ("an SVG drawing", "rsvg-convert -w 512 -o {stem}.png {file}", "rsvg-convert -w 512 -o {stem}.png {file}")
_PSD = ("a Photoshop file", "magick {file}'[0]' {stem}.png", "sips -s format png {file} --out {stem}.png")

_KINDS = {
    _RAW: "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f",
    _VIDEO: "3gp avi flv m2ts m4v mjpeg mjpg mkv mov mp4 mpeg mpg mts ogv ts webm wmv",
    _OTHER: "dds exr fits fpx hdr ico j2k jp2 jpf jpx jxr pbm pcx pfm pgm pnm ppm sgi tga wdp xbm xcf xpm",
    _HEIC: "heic heif heics heifs hif avif avifs avci",
    _JXL: "jxl",
    _PDF: "pdf ai eps ps djvu",
    _SVG: "svg svgz",
    _PSD: "psd psb",
}
_BY_SUFFIX = {f".{suffix}": kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}


def foreign_reason(path: str, *, ffmpeg: bool = False) -> str | None:
    """Return why a file of an unsupported image format cannot be read and how to convert it; None for other files.

    Args:
        path: path of the file; its suffix decides.
        ffmpeg: also return None for formats that FFmpeg, which reads videos, may support.
    """
    kind = _BY_SUFFIX.get(PurePath(path).suffix.lower())
    if kind is None or (ffmpeg and kind in (_VIDEO, _OTHER, _PSD)):
        return None
    return f"{kind[0]}, which cannot be read here; convert it: {conversion(path)}"


def conversion(file: str, suffix: str | None = None) -> str:
    """Return the command that converts a file to JPEG or PNG.

    Args:
        file: path of the file.
        suffix: suffix of its format with the dot, if its own is missing or wrong; one that ``foreign_reason`` knows.
    """
    _, command, on_mac = _BY_SUFFIX[(suffix or PurePath(file).suffix).lower()]
    stem = str(PurePath(file).with_suffix(""))
    if file in (f"{stem}.jpg", f"{stem}.png"):  # its suffix is wrong: the command must not write over the file
        stem += "-converted"
    return (on_mac if sys.platform == "darwin" else command).format(file=shlex.quote(file), stem=shlex.quote(stem))

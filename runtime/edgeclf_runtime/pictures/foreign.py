"""Files of cameras and programs that are not read here: what they are, and the command that converts one."""

from __future__ import annotations

import shlex
import sys
from pathlib import PurePath

__all__ = ["conversion", "foreign_reason"]

_RAW = ("a camera's raw file", "darktable-cli {file} {stem}.jpg", "sips -s format jpeg {file} --out {stem}.jpg")
_FILM = ("a film", "ffmpeg -i {file} -vf fps=1 {stem}-%04d.jpg", "ffmpeg -i {file} -vf fps=1 {stem}-%04d.jpg")
_OTHER = ("another program's picture", "magick {file} {stem}.png", "sips -s format png {file} --out {stem}.png")
_HEIC = ("an iPhone's picture", "heif-convert {file} {stem}.jpg", "sips -s format jpeg {file} --out {stem}.jpg")
_JXL = ("JPEG XL", "djxl {file} {stem}.png", "djxl {file} {stem}.png")
_PDF = ("a document", "pdftoppm -jpeg {file} {stem}", "pdftoppm -jpeg {file} {stem}")
_SVG = ("a drawing", "rsvg-convert -w 512 -o {stem}.png {file}", "rsvg-convert -w 512 -o {stem}.png {file}")
_PSD = ("a Photoshop file", "magick {file}'[0]' {stem}.png", "sips -s format png {file} --out {stem}.png")

_KINDS = {
    _RAW: "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f",
    _FILM: "3gp avi flv m2ts m4v mjpeg mjpg mkv mov mp4 mpeg mpg mts ogv ts webm wmv",
    _OTHER: "dds exr fits fpx hdr ico j2k jp2 jpf jpx jxr pbm pcx pfm pgm pnm ppm sgi tga wdp xbm xcf xpm",
    _HEIC: "heic heif heics heifs hif avif avifs avci",
    _JXL: "jxl",
    _PDF: "pdf ai eps ps djvu",
    _SVG: "svg svgz",
    _PSD: "psd psb",
}
_BY_SUFFIX = {f".{suffix}": kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}


def foreign_reason(path: str, *, ffmpeg: bool = False) -> str | None:
    """What a file is that holds images in a form not read here, and the command; None for any other.

    Args:
        path: of the file; its suffix tells.
        ffmpeg: None also for those that FFmpeg, the reader of films, may read.
    """
    kind = _BY_SUFFIX.get(PurePath(path).suffix.lower())
    if kind is None or (ffmpeg and kind in (_FILM, _OTHER, _PSD)):
        return None
    return f"{kind[0]}, which cannot be read here; convert it: {conversion(path)}"


def conversion(file: str, suffix: str | None = None) -> str:
    """The command that makes a JPEG or PNG of a file.

    Args:
        file: its path.
        suffix: of its kind, with the dot, where its own does not tell; one of which ``foreign_reason`` knows.
    """
    _, command, on_mac = _BY_SUFFIX[(suffix or PurePath(file).suffix).lower()]
    stem = str(PurePath(file).with_suffix(""))
    return (on_mac if sys.platform == "darwin" else command).format(file=shlex.quote(file), stem=shlex.quote(stem))

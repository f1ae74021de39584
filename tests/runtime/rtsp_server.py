"""An RTSP server with a moving image, for Debian's own Python: rtsp_server.py PORT [FPS [FOLDER]].

The address is /camera. With FOLDER, its images 000.jpg, 001.jpg, ... are repeated instead of snow.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

USER, PASSWORD = "viewer", "s3cret-of-the-camera"
# RTP does not support most of the formats that jpegenc would choose.
SNOW = "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate={fps}/1"
IMAGES = (
    'multifilesrc location="{folder}/%03d.jpg" loop=true caps=image/jpeg,framerate={fps}/1 ! jpegdec'
    " ! videoconvert ! video/x-raw,format=I420 ! identity sync=true"
)
RIGHTS = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
ENCODERS = {"x264enc": "x264enc tune=zerolatency key-int-max=10 ! rtph264pay", "jpegenc": "jpegenc ! rtpjpegpay"}


def serve(port: int, fps: int, folder: str | None) -> None:
    """Serve until killed; print the format once it listens."""
    Gst.init(None)
    encoder = next(name for name in ENCODERS if Gst.ElementFactory.find(name))
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=str(port))
    _protect(server)
    images = (IMAGES if folder else SNOW).format(fps=fps, folder=folder)
    factory = GstRtspServer.RTSPMediaFactory(launch=f"( {images} ! {ENCODERS[encoder]} name=pay0 )", shared=True)
    factory.add_role_from_structure(Gst.Structure.new_from_string(RIGHTS))
    server.get_mount_points().add_factory("/camera", factory)
    assert server.attach(None), "the port is taken"
    print(encoder, flush=True)
    GLib.MainLoop().run()


def _protect(server: GstRtspServer.RTSPServer) -> None:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, PASSWORD), token)
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
    server.set_auth(auth)


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    serve(int(sys.argv[1]), int(arguments.get(2, 20)), arguments.get(3))

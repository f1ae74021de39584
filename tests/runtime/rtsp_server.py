"""An RTSP server with a moving picture, for Debian's own Python: rtsp_server.py PORT [FPS]; the address is /camera."""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

USER, PASSWORD = "viewer", "s3cret-of-the-camera"
# Of the formats that jpegenc would choose RTP has no word for most.
FORMAT = "video/x-raw,format=I420,width=320,height=240,framerate={}/1"
PIPELINE = f"videotestsrc is-live=true pattern=snow ! {FORMAT} ! {{}} name=pay0"
RIGHTS = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
ENCODERS = {"x264enc": "x264enc tune=zerolatency key-int-max=10 ! rtph264pay", "jpegenc": "jpegenc ! rtpjpegpay"}


def serve(port: int, fps: int) -> None:
    """Until it is killed; says on standard output when it listens, and in which format."""
    Gst.init(None)
    encoder = next(name for name in ENCODERS if Gst.ElementFactory.find(name))
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=str(port))
    _protect(server)
    factory = GstRtspServer.RTSPMediaFactory(launch=f"( {PIPELINE.format(fps, ENCODERS[encoder])} )", shared=True)
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
    serve(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20)

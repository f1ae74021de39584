"""A network camera: python3 rtsp_camera.py PORT USER PASSWORD; needs GStreamer's server for the system's Python."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - versions are asked for before

_PICTURES = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1"
_SENT = "x264enc tune=zerolatency key-int-max=15 ! rtph264pay name=pay0 pt=96"


def main() -> None:
    port, user, password = sys.argv[1:]
    Gst.init(None)
    server, auth, token = GstRtspServer.RTSPServer(), GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    allowed = GstRtspServer.RTSPPermissions()
    for right in ("media.factory.access", "media.factory.construct"):
        allowed.add_permission_for_role("viewer", right, True)
    camera = GstRtspServer.RTSPMediaFactory()
    camera.set_launch(f"( {_PICTURES} ! {_SENT} )")
    camera.set_permissions(allowed)
    camera.set_shared(True)
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.set_auth(auth)
    server.get_mount_points().add_factory("/camera", camera)
    assert server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


main()

"""A bare aiohttp handler on the same stack: reads JSON, answers JSON. `python -m bench.hello PORT`."""

import sys

import orjson
import uvloop
from aiohttp import web


async def hello(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read())
    return web.Response(body=orjson.dumps({"hello": body["method"]}), content_type="application/json")


def main() -> None:
    app = web.Application()
    app.router.add_post("/hello", hello)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop=uvloop.new_event_loop(),
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    main()

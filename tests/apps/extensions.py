"""Each path uses one extension module that applications load; all are imported before the first request."""
import asyncio
import io
import os
import threading

import cryptography.fernet
import grpc
import lxml.etree
import numpy
import orjson
import PIL.Image
import psycopg
import uvloop


def use_numpy():
    n = numpy.ones((400, 400))
    return float((n @ n).sum()) == 400.0 ** 3


def use_psycopg():
    """No database here: libpq is asked to connect to where nobody listens."""
    try:
        psycopg.connect("host=127.0.0.1 port=1 connect_timeout=5")
    except psycopg.OperationalError as error:
        return psycopg.pq.version() > 0 and "refused" in str(error)


def use_lxml():
    tree = lxml.etree.fromstring("<a><b>1</b><b>2</b></a>")
    return tree.xpath("sum(b)") == 3.0


def use_cryptography():
    box = cryptography.fernet.Fernet(cryptography.fernet.Fernet.generate_key())
    return box.decrypt(box.encrypt(b"secret")) == b"secret"


def use_orjson():
    return orjson.loads(orjson.dumps({"a": [1, None]})) == {"a": [1, None]}


def use_grpc():
    """A server and a client, both in this process."""
    from concurrent import futures

    server = grpc.server(futures.ThreadPoolExecutor(2))
    method = grpc.unary_unary_rpc_method_handler(lambda request, context: request[::-1])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", {"Turn": method})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel("127.0.0.1:%d" % port) as channel:
            return channel.unary_unary("/test.Echo/Turn")(b"abc", timeout=20, wait_for_ready=True) == b"cba"
    finally:
        server.stop(None).wait(20)


def use_pillow():
    file = io.BytesIO()
    PIL.Image.new("RGB", (64, 64), "red").resize((8, 8)).save(file, "PNG")
    return PIL.Image.open(io.BytesIO(file.getvalue())).getpixel((3, 3)) == (255, 0, 0)


def use_uvloop():
    async def work():
        await asyncio.sleep(0.001)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x")
        return await reader.read(1)

    async def echo(reader, writer):
        writer.write(await reader.read(1))
        await writer.drain()
        writer.close()

    async def main():
        global server
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        found = await work()
        server.close()
        return found

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(main()) == b"x"
    finally:
        loop.close()


def application(environ, start_response):
    good = globals()["use_" + environ["PATH_INFO"][1:]]() if environ["PATH_INFO"] != "/" else True
    body = b"%s %d %s" % (b"good" if good else b"bad", os.getpid(), threading.current_thread().name.encode())
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

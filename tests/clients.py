"""A client of the live page's socket, without a browser."""

import asyncio

import aiohttp
import msgpack
from wslink.chunking import UnChunker, generate_chunks


class Client:
    """A client of the page's socket that sends what it likes."""

    def __init__(self, socket):
        self.socket, self.pieces, self.number = socket, UnChunker(), 0
        self.pieces.set_max_message_size(2**31)

    async def call(self, method, *arguments, kind="rpc"):
        self.number += 1
        mine = f"{kind}:c0:{self.number}"
        await self.send(
            msgpack.packb({"wslink": "1.0", "id": mine, "method": method, "args": [*arguments]})
        )
        while True:
            message = await asyncio.wait_for(self.socket.receive(), 10)
            if message.type != aiohttp.WSMsgType.BINARY:
                return "closed"
            found = self.pieces.process_chunk(message.data)
            if found and found.get("id") == mine:
                return found.get("result", found.get("error"))

    async def send(self, content):
        for piece in generate_chunks(content, 2**22):
            await self.socket.send_bytes(piece)

    async def closed(self):
        while True:
            message = await asyncio.wait_for(self.socket.receive(), 10)
            if message.type != aiohttp.WSMsgType.BINARY:
                return True


def talk(address, talking, secret=None):
    """Result of a conversation with the page's socket, after a greeting with its secret."""

    async def run():
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{address}ws", max_msg_size=0) as socket,
        ):
            client = Client(socket)
            mine = address.split("/")[3] if secret is None else secret
            greeted = await client.call("wslink.hello", {"secret": mine}, kind="system")
            return await talking(client, greeted)

    return asyncio.run(run())

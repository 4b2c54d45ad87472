import type { FromPageEncoded, Numbered, ToPage } from "../src/benchPage/Messages.ts"

export interface Line {
  readonly send: (message: FromPageEncoded) => void
  readonly sendPiece: (piece: ArrayBuffer) => void
}

/** The socket to the server, opened anew whenever it ends. */
export const open = (listener: {
  readonly opened: () => void
  readonly heard: (message: ToPage) => void
  readonly missed: (count: number) => void
  readonly ended: () => void
}): Line => {
  let socket: WebSocket
  const connect = () => {
    let last: number | undefined
    socket = new WebSocket(`ws://${location.host}/socket`)
    socket.onopen = listener.opened
    socket.onmessage = ({ data }) => {
      const message: ToPage | Numbered = JSON.parse(data)
      if ("number" in message && (last !== undefined || message.type === "now")) {
        if (last !== undefined && message.number > last + 1) listener.missed(message.number - last - 1)
        last = message.number
      }
      listener.heard(message)
    }
    socket.onclose = () => {
      listener.ended()
      setTimeout(connect, 1000)
    }
  }
  connect()
  const isOpen = () => socket.readyState === WebSocket.OPEN
  return {
    send: (message) => {
      if (isOpen()) socket.send(JSON.stringify(message))
    },
    sendPiece: (piece) => {
      if (isOpen()) socket.send(piece)
    }
  }
}

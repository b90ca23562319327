// Transfer encodings written piece by piece (RFC 2045 §6.7, §6.8): a body of any size in little memory.

const CR = 13
const LF = 10
const TAB = 9
const SPACE = 32
const EQUALS = 61
/** RFC 2045 §6.7 (5): with the soft break's `=` a line has 76 characters. */
const QP_LINE = 75
/** Bytes that make a line of 76 characters. */
const BASE64_LINE = 57

export interface PieceEncoder {
  write(bytes: Buffer): Buffer
  end(): Buffer
}

export type TransferEncoding = 'base64' | 'quoted-printable'

/** An encoder for one body; what it writes does not end with a line end of its own. */
export function openEncoder(encoding: TransferEncoding): PieceEncoder {
  return encoding === 'base64' ? new Base64Encoder() : new QuotedPrintableEncoder()
}

const nothing = Buffer.alloc(0)

class Base64Encoder implements PieceEncoder {
  #rest: Buffer = nothing
  #begun = false

  write(bytes: Buffer): Buffer {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    const size = all.length - (all.length % BASE64_LINE)
    this.#rest = Buffer.from(all.subarray(size))
    return this.#lines(all.subarray(0, size))
  }

  end(): Buffer {
    return this.#lines(this.#rest)
  }

  #lines(bytes: Buffer): Buffer {
    if (bytes.length === 0) return nothing
    const lines: string[] = this.#begun ? [''] : []
    this.#begun = true
    for (let at = 0; at < bytes.length; at += BASE64_LINE) lines.push(bytes.toString('base64', at, at + BASE64_LINE))
    return Buffer.from(lines.join('\r\n'), 'latin1')
  }
}

const hexDigits = Buffer.from('0123456789ABCDEF')

/** Only CRLF is a line end: a bare CR or LF is a byte like others and comes back as it was. */
class QuotedPrintableEncoder implements PieceEncoder {
  #out: Buffer = nothing
  #size = 0
  #column = 0
  /** A blank whose writing depends on whether the line ends behind it; 0: none. */
  #blank = 0
  #cr = false

  write(bytes: Buffer): Buffer {
    // Three for each byte, as much again for soft breaks at most, and what was held back.
    this.#begin(bytes.length * 4 + 16)
    for (let i = 0; i < bytes.length; i++) this.#put(bytes[i]!)
    return this.#take()
  }

  end(): Buffer {
    this.#begin(16)
    if (this.#cr) {
      this.#flushBlank(false)
      this.#escape(CR)
    } else this.#flushBlank(true)
    this.#cr = false
    return this.#take()
  }

  #put(c: number): void {
    if (this.#cr) {
      this.#cr = false
      if (c === LF) {
        this.#flushBlank(true)
        this.#out[this.#size++] = CR
        this.#out[this.#size++] = LF
        this.#column = 0
        return
      }
      this.#flushBlank(false)
      this.#escape(CR)
    }
    if (c === CR) {
      this.#cr = true
      return
    }
    this.#flushBlank(false)
    if (c === SPACE || c === TAB) this.#blank = c
    else if (c > SPACE && c < 127 && c !== EQUALS) this.#literal(c)
    else this.#escape(c)
  }

  #flushBlank(atEnd: boolean): void {
    const blank = this.#blank
    if (blank === 0) return
    this.#blank = 0
    if (atEnd) this.#escape(blank)
    else this.#literal(blank)
  }

  #literal(c: number): void {
    this.#room(1)
    // A dot or `From ` at the start of a line is what relays and mailboxes change; hyphens could look like a delimiter.
    if (this.#column === 0 && (c === 46 || c === 70 || c === 45)) this.#escape(c)
    else {
      this.#out[this.#size++] = c
      this.#column++
    }
  }

  #escape(c: number): void {
    this.#room(3)
    this.#out[this.#size++] = EQUALS
    this.#out[this.#size++] = hexDigits[c >> 4]!
    this.#out[this.#size++] = hexDigits[c & 15]!
    this.#column += 3
  }

  #room(size: number): void {
    if (this.#column + size <= QP_LINE) return
    this.#out[this.#size++] = EQUALS
    this.#out[this.#size++] = CR
    this.#out[this.#size++] = LF
    this.#column = 0
  }

  #begin(size: number): void {
    this.#out = Buffer.allocUnsafe(size)
    this.#size = 0
  }

  #take(): Buffer {
    const out = this.#out.subarray(0, this.#size)
    this.#out = nothing
    return out
  }
}

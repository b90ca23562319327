// Counters of the POP3 door, plain numbers that may cross threads. Knows no metrics library.

export interface Pop3Stats {
  /** Open now, and of them signed in. */
  connections: number
  authenticated: number
  /** Sign-ins since the start, and refused ones. */
  signIns: number
  signInsRefused: number
  /** Messages sent by RETR, and removed at QUIT. */
  retrieved: number
  removed: number
}

export function createStats(): Pop3Stats {
  return { connections: 0, authenticated: 0, signIns: 0, signInsRefused: 0, retrieved: 0, removed: 0 }
}

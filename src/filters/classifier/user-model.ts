// What one user's filter has learnt: in how much spam and good mail of his each token stood. Bounded: when there is no room left all
// counts are halved and the smallest go, so that what was learnt long ago fades. Values; knows no store.

/** One message counts so much, so that halving leaves something. */
export const unit = 16
/** Good mail is learnt of when somebody takes it out of Junk: that was a mistake of ours, and weighs more. */
export const weights = { spam: unit, ham: 2 * unit } as const
export type Learnt = keyof typeof weights

/** Tokens of one user; eight bytes each. */
export const mostUserTokens = 32_768
/** Tokens that are learnt of one message. */
export const mostLearnt = 400
const most = 0xffff

export interface UserModel {
  /** Messages, in units. */
  spam: number
  ham: number
  /** How often all was halved. */
  generation: number
  /** Token → spam in the low 16 bits, ham in the high ones. */
  readonly counts: Map<number, number>
}

export const emptyModel = (): UserModel => ({ spam: 0, ham: 0, generation: 0, counts: new Map() })

/** Adds a message to what is known, and tells the generation in which it was counted. */
export function learn(model: UserModel, tokens: readonly number[], as: Learnt): number {
  if (model[as] + weights[as] > most) halve(model)
  model[as] += weights[as]
  for (const token of tokens.slice(0, mostLearnt)) change(model.counts, token, as, weights[as])
  while (model.counts.size > mostUserTokens) halve(model)
  return model.generation
}

/** Takes a message back that was counted in `generation`. */
export function unlearn(model: UserModel, tokens: readonly number[], as: Learnt, generation: number): void {
  const weight = weights[as] >> Math.min(model.generation - generation, 30)
  if (weight === 0) return
  model[as] = Math.max(0, model[as] - weight)
  for (const token of tokens.slice(0, mostLearnt)) change(model.counts, token, as, -weight)
}

function change(counts: Map<number, number>, token: number, as: Learnt, by: number): void {
  const packed = counts.get(token) ?? 0
  const spam = clamp((packed & most) + (as === 'spam' ? by : 0))
  const ham = clamp((packed >>> 16) + (as === 'ham' ? by : 0))
  if (spam + ham === 0) counts.delete(token)
  else counts.set(token, (ham << 16) | spam)
}

const clamp = (value: number): number => Math.min(most, Math.max(0, value))

/** Ages everything; what stood in one old message alone goes. */
function halve(model: UserModel): void {
  model.generation++
  model.spam >>= 1
  model.ham >>= 1
  for (const [token, packed] of model.counts) {
    const [spam, ham] = [(packed & most) >> 1, packed >>> 17]
    if (spam + ham < unit / 2) model.counts.delete(token)
    else model.counts.set(token, (ham << 16) | spam)
  }
}

/** Tokens ascending, then their counts. */
export function encodeCounts({ counts }: UserModel): Buffer {
  const tokens = Int32Array.from(counts.keys()).sort()
  const bytes = Buffer.alloc(tokens.length * 8)
  tokens.forEach((token, i) => {
    bytes.writeInt32LE(token, i * 4)
    bytes.writeUInt32LE(counts.get(token)! >>> 0, (tokens.length + i) * 4)
  })
  return bytes
}

export function decodeCounts(data: Uint8Array): Map<number, number> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const count = bytes.length >> 3
  const counts = new Map<number, number>()
  for (let i = 0; i < count; i++) counts.set(bytes.readInt32LE(i * 4), bytes.readUInt32LE((count + i) * 4) | 0)
  return counts
}

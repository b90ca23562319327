// Where a daemon listens: a host and port, or a local socket.

export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

export function formatPlace(place: Place): string {
  if ('path' in place) return place.path
  return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`
}

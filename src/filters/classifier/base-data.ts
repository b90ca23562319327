export const data = ''

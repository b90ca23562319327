// For the crash tests: POSTHORN_TEST_FAULT=point:n ends the process as kill -9 does, at the nth time that the point is passed.

export function readFault(environment: NodeJS.ProcessEnv): ((point: string) => void) | undefined {
  const [point, times = '1'] = environment['POSTHORN_TEST_FAULT']?.split(':') ?? []
  if (!point) return undefined
  let left = Number(times)
  return (passed) => {
    if (passed === point && --left === 0) process.kill(process.pid, 'SIGKILL')
  }
}

// Reads a JSON list of simulations on stdin, prints the list of their results: "Allowed", "ImplicitlyDenied",
// "ExplicitlyDenied", or "error: ..." where the oracle refuses the input.
import { anonymousPrincipal, runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

async function decide(simulation) {
  if (simulation.request.principal === '*') simulation.request.principal = anonymousPrincipal
  // Only the unchecked entry point takes any condition key; only the checked one takes every kind of policy.
  if (simulation.identityOnly) return runUnsafeSimulation(simulation, {})
  const answer = await runSimulation(simulation, {})
  return answer.resultType === 'error' ? `error: ${JSON.stringify(answer.errors)}` : answer.overallResult
}

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const results = []
for (const simulation of JSON.parse(Buffer.concat(chunks).toString())) {
  results.push(await decide(simulation).catch((error) => `error: ${error.message}`))
}
console.log(JSON.stringify(results))

export async function stateDirectory(_config: string): Promise<string | undefined> {
  return undefined;
}

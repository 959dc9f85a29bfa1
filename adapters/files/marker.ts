// The marker (done file, trigger file) that a sender puts beside a file when it is complete.

export interface Marker {
  /** Path of the marker of a file. */
  of(path: string): string;
  /** What the marker is a marker for, in the form that `subjectOf` gives; undefined when it is none. */
  subject(path: string): string | undefined;
  /** In what form the marker names this file. */
  subjectOf(path: string): string;
}

/** `{name}` is the whole name of the file, `{stem}` the name without its last extension. */
export function markerOf(template: string): Marker {
  const place = template.includes('{stem}') ? '{stem}' : '{name}';
  const [before = '', after = ''] = template.split(place);
  const subjectOf = (path: string): string => {
    const { folder, name } = parts(path);
    const dot = name.lastIndexOf('.');
    return `${folder}${place === '{stem}' && dot > 0 ? name.slice(0, dot) : name}`;
  };
  return {
    subjectOf,
    of(path) {
      const { folder, name } = parts(subjectOf(path));
      return `${folder}${before}${name}${after}`;
    },
    subject(path) {
      const { folder, name } = parts(path);
      if (name.length <= before.length + after.length || !name.startsWith(before) || !name.endsWith(after)) return undefined;
      return `${folder}${name.slice(before.length, name.length - after.length)}`;
    },
  };
}

export function markerProblem(template: string): string | undefined {
  const places = template.match(/\{[^}]*\}/g) ?? [];
  if (places.length !== 1 || !['{name}', '{stem}'].includes(places[0] ?? '')) return 'the name of a marker has one place: {name} or {stem}';
  if (template === '{name}' || template === '{stem}') return 'a file cannot be its own marker';
  return template.includes('/') ? 'a marker lies beside its file: its name has no /' : undefined;
}

function parts(path: string): { readonly folder: string; readonly name: string } {
  const at = path.lastIndexOf('/') + 1;
  return { folder: path.slice(0, at), name: path.slice(at) };
}

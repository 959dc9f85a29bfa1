// The one place that knows saxes: strict XML 1.0 with namespaces, without DTD, every token bounded.

import { SaxesParser, type SaxesTagNS } from 'saxes';

/** A document that is refused. `line` and `column` start at 1. */
export class XmlProblem extends Error {
  override readonly name = 'XmlProblem';

  constructor(
    message: string,
    readonly line: number,
    readonly column: number,
    readonly tooLong = false,
  ) {
    super(message);
  }
}

export interface SaxName {
  /** Empty: in no namespace. */
  readonly uri: string;
  readonly local: string;
}

export interface SaxElement extends SaxName {
  readonly attributes: readonly (SaxName & { readonly value: string })[];
  readonly line: number;
  readonly column: number;
}

/** Called in the order of the document. What they throw ends `write`. */
export interface SaxHandler {
  open(element: SaxElement): void;
  /** Text or CDATA of the innermost open element; a run of text may come in parts. */
  text(text: string): void;
  close(): void;
}

export interface SaxLimits {
  /** Longest piece between two tags, in characters: a text, a comment, a tag with its attributes. */
  readonly token: number;
}

const DEPTH = 128;
const ATTRIBUTES = 256;
const ATTRIBUTE_VALUE = 64 * 1024;
const NAME = 256;
const XMLNS = 'http://www.w3.org/2000/xmlns/';
/** Characters parsed before the bounds are looked at. */
const SLICE = 64 * 1024;

export class Sax {
  private readonly parser = new SaxesParser({ xmlns: true, position: true });
  private depth = 0;
  private attributes = 0;
  private start = { line: 1, column: 1 };
  private lastEvent = 0;
  private slice = '';
  private sliceStart = 0;

  constructor(
    handler: SaxHandler,
    private readonly limits: SaxLimits,
  ) {
    const { parser } = this;
    parser.on('error', (error) => this.fail(error.message.replace(/^\d+:\d+: /, '')));
    parser.on('doctype', () => this.fail('a DOCTYPE is not accepted: document types and entities can be used to attack a reader'));
    parser.on('xmldecl', ({ version }) => {
      if (version !== '1.0') this.fail(`XML ${version ?? ''} is not accepted, only 1.0`);
    });
    parser.on('opentagstart', () => {
      this.attributes = 0;
      this.event();
      // The character behind the name was read already.
      const behind = this.slice[parser.position - this.sliceStart - 1];
      this.start = { line: behind === '\n' || behind === '\r' ? parser.line - 1 : parser.line, column: Math.max(1, parser.column) };
      if (++this.depth > DEPTH) this.fail(`elements are nested deeper than ${DEPTH}`);
    });
    parser.on('attribute', ({ name, value }) => {
      if (++this.attributes > ATTRIBUTES) this.fail(`the element has more than ${ATTRIBUTES} attributes`);
      if (value.length > ATTRIBUTE_VALUE) this.fail(`the attribute has more than ${ATTRIBUTE_VALUE} characters`);
      if (name.length > NAME) this.fail(`a name has more than ${NAME} characters`);
    });
    parser.on('opentag', (tag) => {
      this.event();
      if (tag.name.length > NAME) this.fail(`a name has more than ${NAME} characters`);
      handler.open({ uri: tag.uri, local: tag.local, attributes: attributesOf(tag), ...this.start });
    });
    const text = (content: string): void => {
      this.event();
      if (this.depth > 0) handler.text(content);
    };
    parser.on('text', text);
    parser.on('cdata', text);
    parser.on('closetag', () => {
      this.event();
      this.depth--;
      handler.close();
    });
    parser.on('comment', () => this.event());
    parser.on('processinginstruction', () => this.event());
  }

  /** Characters read so far: while a handler runs, up to the end of what it is told. */
  get position(): number {
    return this.parser.position;
  }

  get line(): number {
    return this.parser.line;
  }

  get column(): number {
    return Math.max(1, this.parser.column);
  }

  /** @throws XmlProblem */
  write(text: string): void {
    for (let at = 0; at < text.length; at += SLICE) {
      this.sliceStart += this.slice.length;
      this.slice = text.slice(at, at + SLICE);
      this.parser.write(this.slice);
      if (this.sliceStart + this.slice.length - this.lastEvent > this.limits.token)
        throw new XmlProblem(`a text, a tag or a comment has more than ${this.limits.token} characters`, this.line, this.column, true);
    }
  }

  /** The document is complete. @throws XmlProblem when it is not */
  end(): void {
    this.parser.close();
  }

  private event(): void {
    this.lastEvent = this.parser.position;
  }

  private fail(message: string): never {
    throw new XmlProblem(message.replace(/\.$/, ''), this.line, this.column);
  }
}

function attributesOf(tag: SaxesTagNS): SaxElement['attributes'] {
  const list: (SaxName & { readonly value: string })[] = [];
  for (const name in tag.attributes) {
    const attribute = tag.attributes[name];
    if (attribute && attribute.uri !== XMLNS) list.push(attribute);
  }
  return list;
}

import { join } from 'node:path';

/** Folders the starting configuration reads and writes; an endpoint's folder must exist. */
export const starterFolders = ['data/webshop/inbox', 'data/erp/inbox'] as const;

/** The files of `signalbox init`, by path: a small configuration that passes `check` and `test` as it is. */
export function starterFiles(directory: string): ReadonlyMap<string, string> {
  return new Map([
    ['signalbox.yaml', settings],
    ['systems.yaml', systems(directory)],
    ['orders.yaml', orders],
    ['samples/order-4711.json', sample],
    ['samples/orders.csv', csv],
    ['.gitignore', ignored],
  ]);
}

const schema = '# yaml-language-server: $schema=.signalbox/schema.json\n';

const settings = `${schema}# Settings of this Signalbox. Every *.yaml file here may hold any section; all files together are one configuration.
version: 1
bus: embedded                  # nothing to install; or amqp://signalbox:\${secret:rabbitmq}@localhost for RabbitMQ
# listen: 127.0.0.1:8080       # for webhooks, /livez, /readyz and /metrics
# drain: 30s                   # how long a stop or a reload waits for work under way
# retention: {history: 90d}
`;

const systems = (
  directory: string,
): string => `${schema}# The systems outside. Each is reached through one adapter; \`read\` and \`write\` name its endpoints (webshop.orders, erp.orders).
systems:
  webshop:
    adapter: file
    connect:
      root: ${JSON.stringify(join(directory, 'data', 'webshop'))}     # nothing outside this folder is touched
    read:
      orders:
        path: inbox
        pattern: "*.csv"
        csv:
          delimiter: ";"
          columns: [ORDER_NO, STATUS, CUSTOMER, COUNTRY, TOTAL]
        schedule: {every: 2s}
        # expect: {at_least: 1, every: 2h}     # silence is an alarm
  erp:
    adapter: file
    connect:
      root: ${JSON.stringify(join(directory, 'data', 'erp'))}
    write:
      orders:
        path: "inbox/ORD_{key}_{id}.csv"
        csv:
          columns: [ORDNO, CUST, CTRY, AMOUNT]
`;

const orders = `${schema}# What an order is, how the web shop's rows become one, and who gets it.
types:
  Order:
    id: required text
    customer: required text 8
    country: required text 2
    total: required decimal 12.2

tables:
  country:                     # code list: the shop's number to ISO 3166; csv: tables/country.csv works too
    rows: {"040": AT, "276": DE, "756": CH}
    missing: fail              # an unknown number is a dead letter, never a guess

routes:
  orders-in:                   # inbound: endpoint -> canonical type
    from: webshop.orders
    filter: record.STATUS != "DRAFT"
    publish: Order
    key: order.id              # what people search by: signalbox trace 4711
    map:
      id: trim(record.ORDER_NO)
      customer: {from: record.CUSTOMER, pad: 8, with: "0"}
      country: {from: record.COUNTRY, table: country}
      total: {from: record.TOTAL, decimal: comma}     # "1234,50" keeps every digit
  orders-out:                  # outbound: canonical type -> rules -> endpoints
    subscribe: Order
    deliver:
      - name: erp
        when: order.total > 0
        to: erp.orders
        map: {ORDNO: order.id, CUST: order.customer, CTRY: order.country, AMOUNT: order.total}
    otherwise: {to: dead_letter, reason: an order without an amount}

tests:                         # signalbox test runs them offline; nothing is sent
  - name: an order reaches the ERP with every digit
    given: {webshop.orders: samples/order-4711.json}
    expect:
      Order: {id: "4711", customer: "00000815", country: AT, total: 1234.50}
      erp: ["4711,00000815,AT,1234.50"]
  - name: a draft goes nowhere
    given: {webshop.orders: samples/order-4711.json, set: {STATUS: DRAFT}}
    expect: {filtered: 1}
  - name: an unknown country is a dead letter
    given: {webshop.orders: samples/order-4711.json, set: {COUNTRY: "999"}}
    expect: {dead_letter: {code: E311, count: 1}}
`;

const sample = `{"ORDER_NO": "4711", "STATUS": "OPEN", "CUSTOMER": "815", "COUNTRY": "040", "TOTAL": "1234,50"}
`;

const csv = `ORDER_NO;STATUS;CUSTOMER;COUNTRY;TOTAL
4711;OPEN;815;040;1234,50
4712;DRAFT;816;276;99,90
4713;OPEN;817;756;20,00
`;

const ignored = `.signalbox/
data/
secrets/
`;

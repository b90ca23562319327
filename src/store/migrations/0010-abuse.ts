// What abuse control remembers: how much was used of each limit, bans, lists, histories of networks, greylisted mail, who knows whom.

export const abuse = {
  name: '0010-abuse',
  statements: [
    // tat: microseconds since 1970 at which the limit is whole again; what is not there is whole. step: microseconds in which one comes back.
    `CREATE TABLE abuse_rate (
      kind TEXT NOT NULL,
      subject TEXT NOT NULL,
      tat {int} NOT NULL,
      step {int} NOT NULL,
      PRIMARY KEY (kind, subject)) {rowless}`,
    `CREATE INDEX abuse_rate_tat ON abuse_rate (tat)`,
    // network: an address or network in its one spelling. scope: sign-in or all. times: bans in a row, each longer. until: 0 for ever.
    `CREATE TABLE abuse_ban (
      network TEXT PRIMARY KEY,
      scope TEXT NOT NULL,
      reason TEXT NOT NULL,
      created_by TEXT NOT NULL,
      created_at {int} NOT NULL,
      until {int} NOT NULL,
      times {int} NOT NULL) {rowless}`,
    // domain and account: whose list it is, 0 for everybody's. value: an address, a domain, .domain for all below it, a network.
    `CREATE TABLE abuse_list (
      id {id},
      domain {int} NOT NULL,
      account {int} NOT NULL,
      value TEXT NOT NULL,
      action TEXT NOT NULL,
      reason TEXT NOT NULL,
      created_by TEXT NOT NULL,
      created_at {int} NOT NULL,
      UNIQUE (value, domain, account))`,
    `CREATE INDEX abuse_list_owner ON abuse_list (domain, account, id)`,
    // good and bad: recipients, faded day by day; day: of the last change, since 1970.
    `CREATE TABLE abuse_history (
      network TEXT PRIMARY KEY,
      good {int} NOT NULL,
      bad {int} NOT NULL,
      day {int} NOT NULL) {rowless}`,
    `CREATE INDEX abuse_history_day ON abuse_history (day)`,
    // passed_at: 0 until the client came again in time.
    `CREATE TABLE greylist (
      network TEXT NOT NULL,
      sender TEXT NOT NULL,
      recipient TEXT NOT NULL,
      first_at {int} NOT NULL,
      passed_at {int} NOT NULL,
      last_at {int} NOT NULL,
      PRIMARY KEY (network, sender, recipient)) {rowless}`,
    `CREATE INDEX greylist_last ON greylist (last_at)`,
    // Addresses from which an account has signed in.
    `CREATE TABLE known_address (
      account {int} NOT NULL,
      network TEXT NOT NULL,
      last_at {int} NOT NULL,
      PRIMARY KEY (account, network)) {rowless}`,
    `CREATE INDEX known_address_last ON known_address (last_at)`,
    // Addresses to which an account has written.
    `CREATE TABLE correspondent (
      account {int} NOT NULL,
      address TEXT NOT NULL,
      last_at {int} NOT NULL,
      PRIMARY KEY (account, address)) {rowless}`,
    `CREATE INDEX correspondent_last ON correspondent (last_at)`,
  ],
} as const

// Whose page this is, and by which address they are asked about.

export const personId = decodeURIComponent(location.pathname.split("/")[2] ?? "");

/** An address under the person's. */
export const of = (part) => `/v1/users/${encodeURIComponent(personId)}/${part}`;

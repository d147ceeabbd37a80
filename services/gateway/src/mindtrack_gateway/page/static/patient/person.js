// Whose page this is, and by which address they are asked about.

export const personId = decodeURIComponent(location.pathname.split("/")[2] ?? "");

/** An address under the person's. */
export const of = (part) => `/v1/users/${encodeURIComponent(personId)}/${part}`;

/** Whether there can be such a person at all: the API refuses other ids rather than look for them. */
export const possible = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(personId);

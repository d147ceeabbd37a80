// How somebody stands beside what is usual for them, and where that goes, in words.

export const standing = (t, status) => worded(t, `status.${status}`);
export const direction = (t, name) => worded(t, `direction.${name}`);

/** A person's own pages may say it to them, and newer releases may know others. */
function worded(t, name) {
  const key = [`own.${name}`, name].find(t.has);
  return key ? t(key) : name.slice(name.indexOf(".") + 1);
}

/** The project's mark: branches that meet and go on as one. */
export const mark =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#0f6e6e"/>' +
  '<path d="M8 9 16 16 8 23M16 16h8" stroke="#fff" stroke-width="2" fill="none"/>' +
  '<g fill="#fff"><circle cx="8" cy="9" r="3"/><circle cx="8" cy="23" r="3"/><circle cx="16" cy="16" r="3"/><circle cx="24" cy="16" r="3"/></g></svg>';

/** The mark as a data address, so that no request is made for the pages' icon. */
export const favicon = `data:image/svg+xml,${encodeURIComponent(mark)}`;

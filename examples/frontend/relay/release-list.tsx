import { graphql, useLazyLoadQuery, usePaginationFragment } from "react-relay";
import type { releaseList_query$key } from "./__generated__/releaseList_query.graphql";
import type { releaseListPageQuery } from "./__generated__/releaseListPageQuery.graphql";
import type { releaseListQuery } from "./__generated__/releaseListQuery.graphql";

/** The releases of a project, two at a time. */
export function ReleaseList({ project }: { readonly project: string }) {
  const query = useLazyLoadQuery<releaseListQuery>(
    graphql`
      query releaseListQuery($project: String) {
        ...releaseList_query @arguments(project: $project)
      }
    `,
    { project },
  );
  return <Releases query={query} />;
}

function Releases({ query }: { readonly query: releaseList_query$key }) {
  const { data, hasNext, isLoadingNext, loadNext } = usePaginationFragment<releaseListPageQuery, releaseList_query$key>(
    graphql`
      fragment releaseList_query on Query
      @argumentDefinitions(first: { type: "Int", defaultValue: 2 }, after: { type: "String" }, project: { type: "String" })
      @refetchable(queryName: "releaseListPageQuery") {
        releases(filter: { project: $project }, first: $first, after: $after) @connection(key: "releaseList_releases") {
          edges {
            node {
              id
              version
            }
          }
        }
      }
    `,
    query,
  );
  return (
    <section>
      <ol>
        {data.releases?.edges.map(({ node }) => (
          <li key={node.id}>{node.version}</li>
        ))}
      </ol>
      {hasNext && (
        <button type="button" disabled={isLoadingNext} onClick={() => loadNext(2)}>
          More
        </button>
      )}
    </section>
  );
}

import { graphql, useLazyLoadQuery, usePaginationFragment } from "react-relay";
import type { versionList_package$key } from "./__generated__/versionList_package.graphql";
import type { versionListPageQuery } from "./__generated__/versionListPageQuery.graphql";
import type { versionListQuery } from "./__generated__/versionListQuery.graphql";

/** Which package. */
export interface Place {
  readonly backend: string;
  readonly repository: string;
  readonly key: string;
}

/** The versions of a package. Further pages go through `node(id:)`: that is what ids and the Node interface are for. */
export function VersionList({ place }: { readonly place: Place }) {
  const data = useLazyLoadQuery<versionListQuery>(
    graphql`
      query versionListQuery($place: PackageRef!) {
        package(ref: $place) {
          ...versionList_package
        }
      }
    `,
    { place },
  );
  return data.package ? <Versions of={data.package} /> : <p>There is no such package.</p>;
}

function Versions({ of }: { readonly of: versionList_package$key }) {
  const { data, hasNext, isLoadingNext, loadNext } = usePaginationFragment<
    versionListPageQuery,
    versionList_package$key
  >(
    graphql`
      fragment versionList_package on Package
      @argumentDefinitions(first: { type: "Int", defaultValue: 10 }, after: { type: "String" })
      @refetchable(queryName: "versionListPageQuery") {
        versions(first: $first, after: $after) @connection(key: "versionList_versions") {
          edges {
            node {
              id
              name
            }
          }
        }
      }
    `,
    of,
  );
  return (
    <section>
      <ol>
        {data.versions?.edges.map(({ node }) => (
          <li key={node.id}>{node.name}</li>
        ))}
      </ol>
      {hasNext && (
        <button type="button" disabled={isLoadingNext} onClick={() => loadNext(10)}>
          More
        </button>
      )}
    </section>
  );
}

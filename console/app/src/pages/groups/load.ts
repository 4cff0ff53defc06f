// What the page reads of groups.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, must, type Organization } from '../../api/client';
import { useSession } from '../../api/session';

export type Group = Organization;

const most = 1000; // children of a group that are shown

// useChildren are the groups in a group; null for those at the top.
export function useChildren(id: string | null, enabled = true) {
  const { accountId } = useSession();
  return useQuery({
    queryKey: ['groups', 'children', id], enabled, staleTime: 15_000,
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/organizations', {
      params: { query: { accountId, pageSize: most, sortBy: 'name', sortOrder: 'asc', filters: { parentId: id ?? 'null', count: 'children' } } }, signal,
    }))).organizations,
  });
}

export function useGroup(id: string | undefined) {
  return useQuery({
    queryKey: ['groups', 'one', id], enabled: id !== undefined,
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/organizations/{id}', { params: { path: { id: id! } }, signal }))).organization,
  });
}

// usePath are the groups that a group is in, from the top down.
export function usePath(group: Group | undefined) {
  return useQuery({
    queryKey: ['groups', 'path', group?.id, group?.parentId], enabled: !!group,
    queryFn: async ({ signal }) => {
      const path: Group[] = [];
      for (let id = group!.parentId; id && path.length < 20;) {
        const { organization } = await must(api.GET('/api/v1/organizations/{id}', { params: { path: { id } }, signal }));
        path.unshift(organization);
        id = organization.parentId;
      }
      return path;
    },
  });
}

export function useRefresh() {
  const client = useQueryClient();
  return () => Promise.all([client.invalidateQueries({ queryKey: ['groups'] }), client.invalidateQueries({ queryKey: ['group-names'] })]);
}

export const move = (g: Group, parentId: string | null) => must(api.PUT('/api/v1/organizations/{id}', { params: { path: { id: g.id }, header: { etag: g.version } }, body: { parentId } as never }));
